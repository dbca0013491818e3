// Tables: sort by a column, hide columns.

const NUMBER = /^[<+]?\s*(-?[\d,]*\.?\d+(?:e[-+]?\d+)?)/i;

/** What a cell is sorted by: the number behind it, or the one it begins with; null where there is none. */
function valueOf(cell) {
  if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
  const found = NUMBER.exec(cell.textContent.trim());
  return found ? Number(found[1].replaceAll(",", "")) : null;
}

/** Numbers in order, then texts in theirs; what is empty or failed stays last, whichever way. */
function sortBy(head) {
  const table = head.closest("table"), column = head.cellIndex, first = column === 0;
  const down = head.getAttribute("aria-sort") === "ascending";
  const keyed = [...table.tBodies[0].rows].map(row => ({ row, value: first ? null : valueOf(row.cells[column]), text: row.cells[column].textContent.trim() }));
  const sign = down ? -1 : 1;
  keyed.sort((a, b) => {
    if (a.value !== null && b.value !== null) return sign * (a.value - b.value);
    if (a.value !== null || b.value !== null) return a.value === null ? 1 : -1;
    return first ? sign * a.text.localeCompare(b.text) : 0;
  });
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  table.tBodies[0].append(...keyed.map(({ row }) => row));
}

for (const head of document.querySelectorAll(".sortable thead th")) {
  head.querySelector("button").addEventListener("click", () => sortBy(head));
}

/** The menu of a table's columns: a box a column, and one for each kind of columns. */
function connectColumns(menu) {
  const table = menu.parentElement.querySelector("table");
  const boxes = [...menu.querySelectorAll("[data-column]")];
  const show = () => {
    for (const box of boxes) for (const row of table.rows) row.cells[box.dataset.column].hidden = !box.checked;
    for (const all of menu.querySelectorAll("[data-kind]")) {
      const own = [...all.closest("fieldset").querySelectorAll("[data-column]")], checked = own.filter(box => box.checked).length;
      all.checked = checked === own.length;
      all.indeterminate = checked > 0 && checked < own.length;
    }
    menu.querySelector("output").value = `${boxes.filter(box => box.checked).length} of ${boxes.length}`;
  };
  menu.addEventListener("change", event => {
    if (event.target.dataset.kind) {
      for (const box of event.target.closest("fieldset").querySelectorAll("[data-column]")) box.checked = event.target.checked;
    }
    show();
  });
  show();
}
document.querySelectorAll(".columns").forEach(connectColumns);
