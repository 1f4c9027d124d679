"use strict";
// Tables with search, filters and pages, and the trace of a row. All text is inserted as text, never as markup.
const data = JSON.parse(document.getElementById("data").textContent);
const PAGE = 15;

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key in made && typeof value !== "string") made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

// Buttons to change the page. update(found, all) shows both numbers and returns the range [from, to) of the page.
function pager(turned) {
  const back = element("button", { type: "button" }, "‹ back");
  const next = element("button", { type: "button" }, "next ›");
  const place = element("span", { class: "quiet", role: "status" });
  let page = 0;
  back.addEventListener("click", () => { page -= 1; turned(); });
  next.addEventListener("click", () => { page += 1; turned(); });
  return {
    bar: element("div", { class: "tools" }, back, next, place),
    first() { page = 0; },
    update(found, all) {
      const pages = Math.max(1, Math.ceil(found / PAGE));
      page = Math.min(page, pages - 1);
      place.textContent = `${found.toLocaleString("en")} of ${all.toLocaleString("en")}, page ${page + 1} of ${pages}`;
      back.disabled = page === 0;
      next.disabled = page >= pages - 1;
      return [page * PAGE, (page + 1) * PAGE];
    },
  };
}

// Adds pages to a long table that the HTML contains completely; its first row is the header.
function pageWritten(table) {
  const rows = [...table.rows].slice(1);
  if (rows.length <= PAGE) return;
  const show = () => {
    const [from, to] = pages.update(rows.length, rows.length);
    rows.forEach((row, i) => { row.hidden = i < from || i >= to; });
  };
  const pages = pager(show);
  table.after(pages.bar);
  show();
}

// columns: {label, value(row), number, wide}; filters: {label, value(row)}; open: called with the selected row;
// under: widths of the columns on narrow screens, where the wide column is shown below the others.
function pagedTable(host, rows, columns, filters = [], open = null, under = "") {
  const search = element("input", { type: "search", placeholder: "search", "aria-label": "search" });
  const chosen = filters.map((filter) => {
    const counts = new Map();
    for (const row of rows) counts.set(filter.value(row), (counts.get(filter.value(row)) || 0) + 1);
    const options = [...counts].map(([value, count]) => element("option", { value }, `${value || "–"} (${count})`));
    return element("select", { "aria-label": filter.label }, element("option", { value: "\0" }, `any ${filter.label}`), ...options);
  });
  const head = element("tr", {}, ...columns.map((column) => element("th", column.number ? { class: "number" } : {}, column.label)));
  const body = element("tbody");
  const texts = new Map(rows.map((row) => [row, JSON.stringify(row).toLowerCase()]));
  const pages = pager(() => show());

  function show() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = rows.filter((row) =>
      words.every((word) => texts.get(row).includes(word)) &&
      filters.every((filter, i) => chosen[i].value === "\0" || filter.value(row) === chosen[i].value));
    body.replaceChildren(...found.slice(...pages.update(found.length, rows.length)).map((row) => {
      const line = element("tr", {}, ...columns.map((column) =>
        element("td", { class: column.number ? "number" : column.wide ? "wide" : "" }, String(column.value(row) ?? ""))));
      if (open) {
        line.className = "link";
        line.tabIndex = 0;
        line.addEventListener("click", () => open(row));
        line.addEventListener("keydown", (event) => {
          if (event.key !== "Enter") return;
          event.preventDefault(); // otherwise the key would also press the button that receives the focus
          open(row);
        });
      }
      return line;
    }));
  }
  const fromStart = () => { pages.first(); show(); };
  search.addEventListener("input", fromStart);
  for (const one of chosen) one.addEventListener("change", fromStart);
  host.append(
    element("div", { class: "tools" }, search, ...chosen),
    element("div", { class: "scroll" }, element("table", under ? { class: "under", style: `--columns: ${under}` } : {}, element("thead", {}, head), body)),
    pages.bar,
  );
  show();
  return { find(text) { search.value = text; fromStart(); } };
}

function facts(object) {
  return element("dl", {}, ...Object.entries(object).flatMap(([key, value]) =>
    [element("dt", {}, key), element("dd", {}, typeof value === "object" && value !== null ? JSON.stringify(value) : String(value))]));
}

// History of a row: text and lineage of every stage, in order.
const STEPS = [["seed", "seed"], ["concepts", "concepts"], ["instruction", "instruction"], ["response", "response"]];

function trace(row) {
  const left = { ...row.lineage };
  const steps = [];
  for (const [text, stage] of STEPS) {
    if (!(text in row.texts) && !(stage in left)) continue;
    const item = element("li", {}, element("strong", {}, stage));
    if (text in row.texts) item.append(element("pre", {}, row.texts[text]));
    const extra = stage === "seed" ? ["imports", "types"] : stage === "response" ? ["sample"] : [];
    for (const key of [stage, ...extra]) if (key in left) {
      if (key !== stage) item.append(element("div", { class: "quiet" }, key));
      item.append(facts(left[key]));
      delete left[key];
    }
    steps.push(item);
  }
  for (const [stage, value] of Object.entries(left)) {
    steps.push(element("li", {}, element("strong", {}, stage), Array.isArray(value) ? element("div", {}, value.join(" → ")) : facts(value)));
  }
  const end = element("li", {}, element("strong", {}, row.where === "kept" ? "kept: a row of the data set" : `dropped by ${row.where}: ${row.reason}`));
  if (row.detail !== null && row.detail !== undefined) end.append(element("pre", {}, typeof row.detail === "string" ? row.detail : JSON.stringify(row.detail, null, 1)));
  return element("ol", { class: "trace" }, ...steps, end);
}

const dialog = document.getElementById("trace");
let rowTable = null;

function openRow(row) {
  const body = document.getElementById("trace-body");
  const title = row.index === null || row.index === undefined ? "a function" : `record ${row.index}`;
  const same = element("button", { type: "button" }, "other rows of this record");
  same.addEventListener("click", () => { dialog.close(); rowTable.find(`"index":${row.index},`); });
  body.replaceChildren(element("h3", {}, `${title}, ${row.package}`), trace(row), ...(row.index === null || row.index === undefined ? [] : [same]));
  dialog.showModal();
  dialog.scrollTop = 0;
}

const rowsHost = document.getElementById("rows-table");
if (rowsHost) {
  rowTable = pagedTable(rowsHost, data.rows, [
    { label: "record", value: (row) => row.index, number: true },
    { label: "package", value: (row) => row.package },
    { label: "outcome", value: (row) => row.where },
    { label: "reason", value: (row) => row.reason },
    { label: "instruction, or seed", value: (row) => (row.texts.instruction || row.texts.seed || "").slice(0, 120), wide: true },
  ], [
    { label: "outcome", value: (row) => row.where },
    { label: "reason", value: (row) => row.reason },
    { label: "package", value: (row) => row.package },
  ], openRow, "4.2rem 1fr 1.1fr 1.1fr");
}
const conceptsHost = document.getElementById("concepts-table");
if (conceptsHost) {
  pagedTable(conceptsHost, data.concepts, [
    { label: "concept", value: (row) => row[0], wide: true },
    { label: "records", value: (row) => row[1], number: true },
  ]);
}
for (const table of document.querySelectorAll("table.long")) pageWritten(table);
