"""The page in a real headless Chromium: no errors, no requests; search, filters, pages and the trace of a row work."""

import shutil

import pytest

from selfalign.core.jsonl import write_jsonl
from selfalign.report.files import files_of_run
from selfalign.report.page import write_page

DESK, PHONE = {"width": 1100, "height": 900}, {"width": 390, "height": 844}


class Opened:
    """The page in a tab, with what it said and asked for."""

    def __init__(self, browser, page, viewport=None, scheme="light"):
        self.context = browser.new_context(viewport=viewport or DESK, color_scheme=scheme)
        self.tab = self.context.new_page()
        self.said, self.asked = [], []
        self.tab.on("console", lambda message: self.said.append(message.text))
        self.tab.on("pageerror", lambda error: self.said.append(str(error)))
        self.tab.on("request", lambda request: self.asked.append(request.url))
        self.tab.goto(page.as_uri())

    def rows(self, table="#rows-table"):
        return self.tab.locator(f"{table} tbody tr")

    def status(self, table="#rows-table"):
        return self.tab.locator(f"{table} [role=status]").inner_text()


@pytest.fixture
def opened(browser, page):
    opened = Opened(browser, page)
    yield opened
    opened.context.close()


def test_it_loads_without_errors_and_asks_for_nothing(opened, page):
    assert opened.said == []
    assert opened.asked == [page.as_uri()]
    assert opened.tab.evaluate("window.hacked") is None
    assert opened.tab.locator("svg").count() >= 5


def test_rows_are_paged(opened):
    assert opened.rows().count() == 15
    assert opened.status() == "53 of 53, page 1 of 4"
    for _ in range(3):
        opened.tab.locator("#rows-table").get_by_text("next").click()
    assert opened.status() == "53 of 53, page 4 of 4"
    assert opened.rows().count() == 8
    assert opened.tab.locator("#rows-table").get_by_text("next").is_disabled()


def test_filters_and_search_narrow_rows_together(opened):
    opened.tab.get_by_label("outcome").select_option("execution")
    assert opened.status() == "10 of 53, page 1 of 1"
    opened.tab.locator("#rows-table input").fill("WRITE F7.")
    assert opened.status() == "1 of 53, page 1 of 1"
    opened.tab.get_by_label("outcome").select_option(index=0)
    assert opened.status().startswith("2 of 53")
    opened.tab.locator("#rows-table input").fill("there is no such row")
    assert opened.rows().count() == 0


def test_a_row_is_traced_from_its_seed_to_its_end(opened):
    opened.tab.get_by_label("reason").select_option("assertion")
    opened.rows().first.click()
    shown = opened.tab.locator("dialog").inner_text()
    for part in (
        "def f0(x):",
        "toolz",
        "BSD License",
        "request_seed",
        "3407",
        "sanitize:raw → sanitize:smart",
    ):
        assert part in shown
    assert "dropped by execution: assertion" in shown
    assert "</script><script>window.hacked" in shown, "hostile text is text"
    opened.tab.get_by_role("button", name="other rows of this record").click()
    assert not opened.tab.locator("dialog").is_visible()
    opened.tab.get_by_label("reason").select_option(index=0)
    assert opened.status() == "3 of 53, page 1 of 1"  # kept, dropped by execution, dropped by selection


def test_a_row_opens_from_the_keyboard(opened):
    opened.rows().first.focus()
    opened.tab.keyboard.press("Enter")
    assert opened.tab.locator("dialog").is_visible()
    assert "kept: a row of the data set" in opened.tab.locator("dialog").inner_text()
    opened.tab.keyboard.press("Escape")
    assert not opened.tab.locator("dialog").is_visible()


def test_concepts_are_searched(opened):
    assert opened.status("#concepts-table") == "41 of 41, page 1 of 3"
    opened.tab.locator("#concepts-table input").fill("concept 17")
    assert opened.rows("#concepts-table").all_inner_texts() == ["concept 17\t1"]


def test_long_tables_are_paged_too_and_short_ones_are_not(browser, run, tmp_path):
    directory = tmp_path / "many"
    shutil.copytree(run, directory)
    kinds = [{"status": "exception", "error": f"Error{i:02}"} for i in range(20)]
    write_jsonl(directory / "execution/verdicts/0000.jsonl", kinds)
    write_page(tmp_path / "page.html", run="many", files=files_of_run(directory), configuration={})
    opened = Opened(browser, tmp_path / "page.html")
    table = opened.tab.locator("table.long", has_text="verdict")
    pages = table.locator("xpath=following-sibling::*[1]")
    assert pages.get_by_role("status").inner_text() == "20 of 20, page 1 of 2"
    assert table.get_by_text("Error14").is_visible()
    assert not table.get_by_text("Error15").is_visible()
    pages.get_by_text("next").click()
    assert table.get_by_text("Error15").is_visible()
    assert not table.get_by_text("Error14").is_visible()
    assert opened.tab.locator("table.long", has_text="CPU seconds").count() == 1
    assert opened.tab.locator("table.long + .tools").count() == 1
    opened.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_in_one_direction_and_dark_is_dark(browser, page, scheme):
    opened = Opened(browser, page, PHONE, scheme)
    assert opened.tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    shades = opened.tab.evaluate(
        "[getComputedStyle(document.querySelector('nav')).backgroundColor, getComputedStyle(document.body).color]"
    )
    ground, ink = (sum(map(int, shade.strip("rgb()").split(",")[:3])) for shade in shades)
    assert (ground < ink) == (scheme == "dark")
    assert abs(ground - ink) > 3 * 150
    for table in ("#rows-table .scroll", ".scroll:has(> table.under)"):
        fits = opened.tab.locator(table).first.evaluate("box => box.scrollWidth <= box.clientWidth")
        assert fits, f"{table} need not be scrolled sideways"
    opened.rows().first.click()
    box = opened.tab.locator("dialog").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE["width"]
    opened.context.close()
