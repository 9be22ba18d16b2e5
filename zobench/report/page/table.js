// Tables: headings that sort, a field that filters, a button that saves what is seen.
function sortValue(cell) {
  const said = cell.dataset.sort ?? cell.textContent.trim();
  if (said === "inf" || said === "Infinity") return Infinity;
  if (said === "-inf" || said === "-Infinity") return -Infinity;
  if (said === "nan" || said === "NaN" || said === "None" || said === "" || said === "–") return null;
  const value = Number(said.replaceAll(",", ""));
  return Number.isNaN(value) ? said.toLowerCase() : value;
}

// Unknown values stay last in both directions; numbers come before text.
function compared(a, b, sign) {
  if (a === null || b === null) return (a === null) - (b === null);
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return sign * (typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a < b ? -1 : a > b ? 1 : 0);
}

function heading(head, onsort) {
  const button = make("button", { type: "button" }, head.textContent);
  head.replaceChildren(button);
  head.setAttribute("aria-sort", "none");
  button.addEventListener("click", () => {
    const turned = { ascending: "descending", descending: "ascending" };
    const next = turned[head.getAttribute("aria-sort")] ?? head.dataset.first ?? "ascending";
    every("th[aria-sort]", head.parentNode).forEach((other) => other.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", next);
    onsort(next === "ascending" ? 1 : -1);
  });
}

// Of several rows; a heading that only draws an axis sorts nothing.
function sortable(table) {
  if (table.tBodies[0].rows.length < 2) return;
  every("thead th", table).forEach((head, column) => head.getAttribute("aria-hidden") === "true" || heading(head, (sign) => {
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [sortValue(row.cells[column]), row]);
    rows.sort((a, b) => compared(a[0], b[0], sign));
    body.append(...rows.map(([, row]) => row));
  }));
}

// A table that sorts, of rows of cells: a text, a node, or [text, what it sorts by].
function factTable(table, head, rows) {
  const cell = (value, i) => {
    const [text, sort] = Array.isArray(value) ? value : [value];
    const numeric = sort !== undefined;
    return make(i ? "td" : "th", { class: numeric ? "n" : null, scope: i ? null : "row", "data-sort": numeric ? (Number.isNaN(sort) ? "nan" : sort === Infinity ? "inf" : sort) : null }, text);
  };
  const numeric = (i) => rows.some((row) => Array.isArray(row[i]));
  table.replaceChildren(
    make("thead", {}, make("tr", {}, ...head.map((text, i) => make("th", { scope: "col", class: numeric(i) ? "n" : null }, text)))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map(cell)))),
  );
  sortable(table);
}

function matches(text, words) {
  const low = text.toLowerCase();
  return words.toLowerCase().split(/\s+/).every((word) => low.includes(word));
}

function filtered(field) {
  const table = document.getElementById(field.dataset.filter);
  field.addEventListener("input", () => {
    for (const row of table.tBodies[0].rows) row.hidden = !matches(row.textContent, field.value);
  });
}

// Visible rows; a cell's second line becomes part of its text.
function tableRows(table) {
  const text = (cell) => (cell.childElementCount ? [...cell.childNodes].map((n) => n.textContent.trim()).filter(Boolean).join(" ") : cell.textContent.trim());
  const shown = [...table.rows].filter((row) => !row.hidden);
  return shown.map((row) => [...row.cells].filter((c) => c.getAttribute("aria-hidden") !== "true").map(text));
}

function tables() {
  every("table.sortable").forEach(sortable);
  every("input[data-filter]").forEach(filtered);
  every("button[data-csv]").forEach((button) =>
    button.addEventListener("click", () => download(button.dataset.file, tableRows(document.getElementById(button.dataset.csv)))));
  every("button[data-copy]").forEach((button) => button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    try { await navigator.clipboard.writeText(source.textContent); say("Copied"); button.textContent = "Copied"; }
    catch { getSelection().selectAllChildren(source); say("Selected; copy it with the keyboard"); }
  }));
}
