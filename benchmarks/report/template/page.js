"use strict";
// The page itself: light or dark, where the reader is, and what has to lie open.

const dark = matchMedia("(prefers-color-scheme: dark)");
document.querySelector(".theme").addEventListener("click", () => {
  const root = document.documentElement, now = root.dataset.theme || (dark.matches ? "dark" : "light");
  root.dataset.theme = now === "dark" ? "light" : "dark";
});

const links = [...document.querySelectorAll(".contents li a")];
const sections = links.map(link => document.getElementById(link.hash.slice(1)));
function markCurrent() {
  const passed = sections.filter(section => section.getBoundingClientRect().top < innerHeight / 3);
  const current = passed.length ? passed.length - 1 : 0;
  if (links[current].hasAttribute("aria-current")) return;
  links.forEach((link, number) => link.toggleAttribute("aria-current", number === current));
  const list = links[current].closest("ol");  // a strip on a phone
  list.scrollLeft = links[current].offsetLeft - list.offsetLeft - 16;
}
addEventListener("scroll", markCurrent, { passive: true });
markCurrent();

function openAround(element) {
  for (let around = element; around; around = around.parentElement) if (around.tagName === "DETAILS") around.open = true;
}
document.addEventListener("click", event => {
  const link = event.target.closest("a[href^='#']"), target = link && document.getElementById(link.hash.slice(1));
  if (target) openAround(target);
  for (const menu of document.querySelectorAll(".columns[open]")) if (!menu.contains(event.target)) menu.open = false;
});
addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details:not(.columns)")) folded.open = true;
});
