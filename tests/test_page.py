"""``report.html`` in a headless browser: it asks for nothing, breaks nowhere, and does what it offers."""

import os
import shutil

import pytest

from benchmarks.report.page import write_report
from benchmarks.results import Results
from benchmarks.tables.make import write_tables
from tests.pages import EVIL, STEP, make_results

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTHS = {"phone": (390, 844), "screen": (1400, 900)}
LIMIT = 5_000_000  # bytes


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    results = make_results(tmp_path_factory.mktemp("page"))
    write_report(results, write_tables(results))
    return results


@pytest.fixture(scope="module")
def browser():
    """Chromium as the machine has it; nothing is installed."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("no Chromium here: `apt-get install chromium`, and the page is tested")
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright here: `pip install -e '.[test]'`")
    with playwright.sync_playwright() as drive:
        chromium = drive.chromium.launch(executable_path=found, args=["--no-sandbox"] if os.getuid() == 0 else [])
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser, results):
    """Opens the page; whatever it complains of or asks for fails the test."""
    opened = []

    def opener(size: str = "screen", scheme: str = "light"):
        width, height = WIDTHS[size]
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        page = context.new_page()
        heard: list[str] = []
        page.on("console", lambda message: heard.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: heard.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (heard.append("a dialog"), dialog.dismiss()))
        page.on("request", lambda request: heard.append(request.url))
        page.goto(results.report.as_uri())
        opened.append((context, heard))
        return page

    yield opener
    for context, heard in opened:
        context.close()
        asked = [line for line in heard if not line.startswith("data:image/webp;base64,")]
        assert asked == [results.report.as_uri()], "no request but for the page, no word on the console"


def texts(page, selector: str) -> list[str]:
    return page.locator(selector).all_inner_texts()


def thumbs(page) -> list[str]:
    """The scores below the images, in their order."""
    return texts(page, ".images .thumb span:last-child")


def rows(page) -> list[str]:
    return texts(page, "#table-1 .sheet tbody th")


def test_the_page_is_small_and_what_is_named_like_markup_is_text(open_page, results):
    assert results.report.stat().st_size < LIMIT
    page = open_page()
    assert EVIL in page.locator(".facts .image").inner_text()
    assert page.locator("img[src='x']").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", WIDTHS)
def test_nothing_overflows_folded_or_open(size, scheme, open_page):
    page = open_page(size, scheme)
    width = WIDTHS[size][0]
    for selector in (None, "details.columns", "details:not(.columns)"):
        if selector:
            page.eval_on_selector_all(selector, "all => all.forEach(one => one.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        wide = """all => all.filter(one => one.checkVisibility() && !one.closest(".scroll, .drawing, pre"))
            .map(one => [one.tagName, one.className, one.getBoundingClientRect().right])"""
        boxes = page.eval_on_selector_all("main *", wide)
        assert [box for box in boxes if box[2] > width + 1] == []


def test_a_column_sorts_both_ways_and_failures_stay_last(open_page):
    page = open_page()
    assert rows(page) == ["identity", "Pix2Pix", "HSC-T", "broken", "ceiling"]
    head = page.locator("#table-1 .sheet thead th", has_text="SSIM").and_(page.locator(":visible")).first
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert rows(page) == ["identity", "Pix2Pix", "HSC-T", "ceiling", "broken"]
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert rows(page) == ["ceiling", "HSC-T", "Pix2Pix", "identity", "broken"]
    names = page.locator("#table-1 .sheet thead th").first
    names.get_by_role("button").click()
    assert rows(page) == ["broken", "ceiling", "HSC-T", "identity", "Pix2Pix"]
    assert head.get_attribute("aria-sort") is None


def test_printed_numbers_sort_by_what_they_begin_with(open_page):
    page = open_page()
    page.evaluate(
        """texts => {
            const table = document.querySelector("#table-1 .sheet table");
            const column = table.tHead.rows[0].cells.length - 1;
            texts.forEach((text, row) => {
                const cell = table.tBodies[0].rows[row].cells[column];
                delete cell.dataset.value;
                cell.textContent = text;
            });
            sortBy(table.tHead.rows[0].cells[column]);
        }""",
        ["12.3 ± 0.4", "-", "-4.5 to 3", "1,250", "< 0.001"],
    )
    assert texts(page, "#table-1 .sheet tbody td:last-child") == ["-4.5 to 3", "< 0.001", "12.3 ± 0.4", "1,250", "-"]


def test_the_papers_columns_fold_away_and_come_back(open_page):
    page = open_page()
    heads = page.locator("#table-1 .sheet thead th:visible")
    paper = page.locator("#table-1 .sheet thead th.paper:visible")
    assert (heads.count(), paper.count()) == (7, 0)
    menu = page.locator("#table-1 .columns")
    assert "6 of 18" in menu.inner_text()
    menu.locator("summary").click()
    menu.locator("[data-kind='paper']").check()
    assert (heads.count(), paper.count()) == (13, 6)
    assert "12 of 18" in menu.locator("summary").inner_text()
    menu.get_by_label("SSIM", exact=True).uncheck()
    assert heads.count() == 12
    page.locator("h1").click()
    assert menu.get_attribute("open") is None, "a click elsewhere closes it"


def test_the_slider_moves_by_keyboard_and_by_pointer(open_page):
    page = open_page()
    slider, left = page.locator(".compare input"), page.locator(".compare .left")
    clip = "one => getComputedStyle(one).clipPath"
    assert left.evaluate(clip) == "inset(0px 50% 0px 0px)"
    slider.press("ArrowLeft")
    assert left.evaluate(clip) == "inset(0px 50.5% 0px 0px)"
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    page.mouse.click(box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 2)
    hidden = float(left.evaluate(clip).split()[1].rstrip("%"))
    assert hidden == pytest.approx(10, abs=4)


def test_a_filter_filters_and_the_order_turns(open_page):
    page = open_page()
    all_of_them = thumbs(page)
    assert len(all_of_them) == 24
    assert all_of_them[0] == "0.7000", "the worst of the row that is compared comes first"
    assert all_of_them == sorted(all_of_them)
    page.get_by_label("class").select_option("malignant")
    malignant = thumbs(page)
    assert 0 < len(malignant) < 24
    assert all(round((float(score) - 0.7) / STEP) % 2 == 1 for score in malignant)
    page.get_by_label("fold").select_option("1")
    assert 0 < len(thumbs(page)) < len(malignant)
    assert "fold 1" in page.locator(".facts .image").inner_text()
    page.get_by_label("class").select_option("")
    page.get_by_label("Worst or best first").select_option("best")
    assert thumbs(page) == sorted(thumbs(page), reverse=True)
    page.get_by_label("Order by").select_option("Pix2Pix")
    page.get_by_role("combobox", name="Metric").select_option("LPIPS")
    assert set(thumbs(page)) == {"0.5000"}
    assert page.get_by_label("organ").count() == 0, "where all have one, there is nothing to choose"


def test_any_two_pictures_stand_side_by_side_with_an_error(open_page):
    page = open_page()
    left, right, error = (page.locator(f".stage {name}") for name in (".left", ".right", ".error img"))
    assert left.get_attribute("alt") == f"{EVIL}: source"
    assert right.get_attribute("alt") == f"{EVIL}: HSC-T"
    before = right.get_attribute("src")
    page.get_by_label("Right").select_option("Pix2Pix")
    assert right.get_attribute("src") != before
    assert error.get_attribute("alt") == f"{EVIL}: error of Pix2Pix", "it goes along"
    page.get_by_label("Error of").select_option("identity")
    assert error.get_attribute("alt") == f"{EVIL}: error of identity"
    page.get_by_role("group", name="Pictures of this image").get_by_text("target").click(modifiers=["Shift"])
    assert left.get_attribute("alt") == f"{EVIL}: target"
    page.get_by_role("button", name="Next").click()
    assert "image-" in left.get_attribute("alt") or "fold 1" in page.locator(".facts .image").inner_text()
    page.get_by_role("button", name="Previous").click()
    assert left.get_attribute("alt") == f"{EVIL}: target"


@pytest.mark.parametrize("how", ["hover", "focus"])
def test_hovering_or_focusing_an_image_shows_its_scores(how, open_page):
    page = open_page()
    tip = page.locator(".tip")
    assert tip.is_hidden()
    getattr(page.locator(".images .thumb").nth(0), how)()
    assert tip.is_visible()
    told = tip.inner_text()
    assert EVIL in told
    assert [line.split("\t")[:2] for line in told.splitlines() if line.startswith(("HSC-T", "ceiling"))] == [
        ["HSC-T", "0.7000"],
        ["ceiling", "0.9000"],
    ]
    page.get_by_label("Order by").focus()
    page.mouse.move(0, 0)
    assert tip.is_hidden()


def test_a_score_that_is_no_number_is_a_dash(open_page):
    page = open_page()
    page.get_by_role("combobox", name="Metric").select_option("PSNR")
    shown = thumbs(page)
    missing = [score for score in shown if score == "–"]
    assert missing
    assert shown[-len(missing) :] == missing, "last, whichever way"
    page.get_by_label("Worst or best first").select_option("best")
    assert thumbs(page)[-len(missing) :] == missing


def test_a_rows_name_opens_what_is_behind_it(open_page):
    page = open_page()
    config = page.locator("pre", has_text="class_path: HSC-T")
    assert not config.is_visible()
    page.locator("#table-1 .sheet tbody th a", has_text="HSC-T").click()
    assert config.is_visible()
    assert "1 min 15 s" in page.locator("#table-1 .behind").inner_text()


def test_light_and_dark(open_page):
    page = open_page(scheme="dark")
    ground = "one => getComputedStyle(one).backgroundColor"
    dark = page.locator("body").evaluate(ground)
    page.locator(".theme").click()
    light = page.locator("body").evaluate(ground)
    assert brightness(dark) < 60 < 200 < brightness(light)
    page.locator(".theme").click()
    assert page.locator("body").evaluate(ground) == dark
    assert page.locator(".drawing").first.evaluate(ground) == "rgb(255, 255, 255)", "figures stay on white"


def brightness(colour: str) -> float:
    return sum(float(part) for part in colour.strip("rgb()").split(",")[:3]) / 3


def test_contents_follow_the_reader(open_page):
    page = open_page()
    current = page.locator(".contents li:has(a[aria-current])")
    assert current.inner_text() == "At a glance"
    page.locator(".contents a", has_text="B-mode to strain").click()
    current.get_by_text("B-mode to strain").wait_for()
    assert current.count() == 1


def test_on_paper_all_lies_open_beside_nothing(open_page):
    page = open_page()
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator(".contents").is_hidden()
    assert page.locator(".controls").is_hidden()
    assert page.locator("details:not(.columns):not([open])").count() == 0
    assert page.locator("pre").first.is_visible()
    assert page.pdf()[:4] == b"%PDF"
