// Leaderboards: one table a suite version, group and dimension; filters and search over all.
theme();
const { rows: columns, shown, filters } = data;
const all = Array.from({ length: data.count }, (_, i) => Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[i]])));
const given = (text) => (text === "" || text === "nan" ? NaN : Number(text.replace("inf", "Infinity")));
const reference = (row) => row.first_order === "True";

const SHOW = {
  text: (row, name) => [row[name], ""],
  count: (row, name) => [count(given(row[name])), ""],
  number: (row, name) => [number(given(row[name])), ""],
  percent: (row, name) => [percent(given(row[name])), ""],
  share: (row, name) => [limit(row, name, (v) => v.toFixed(3)), range(row, name, (v) => v.toFixed(3))],
  ratio: (row, name) => [limit(row, name, (v) => `${number(v)}×`), [range(row, name, number), problems(row)].filter(Boolean).join(", ")],
};
// A speed-up over one problem of 24 is another thing than one over all.
const problems = (row) => (given(row.n_speedup) > 0 ? `${row.n_speedup} of ${row.n_problems}` : "");
const limit = (row, name, text) => (Number.isNaN(given(row[name])) ? "–" : text(given(row[name])));
function range(row, name, text) {
  const [low, high] = [given(row[`${name}_low`]), given(row[`${name}_high`])];
  return Number.isNaN(low) || Number.isNaN(high) ? "" : `${text(low)} to ${text(high)}`;
}

function heads(kept) {  // a column that says nothing here is left out
  return shown.filter(([name, , kind]) => name === "method" || kept.some((row) => (kind === "text" ? row[name] !== "" : !Number.isNaN(given(row[name])))));
}

function tableOf(title, kept) {
  const wanted = heads(kept), against = [...new Set(kept.map((row) => row.baseline).filter(Boolean))];
  const best = Object.fromEntries(wanted.map(([name]) => [name, Math.max(...kept.map((row) => given(row[name]) || 0))]));
  const body = kept.map((row) => make("tr", {}, ...wanted.map(([name, , kind]) => {
    const [text, note] = SHOW[kind](row, name);
    const cell = make(name === "method" ? "th" : "td", { class: kind === "text" ? null : "n", "data-sort": kind === "text" ? null : row[name], scope: name === "method" ? "row" : null }, text);
    if (name === "method" && reference(row)) cell.append(" ", make("small", {}, "first-order reference"));
    if (note) cell.append(make("small", {}, note));
    if (kind === "share" && given(row[name]) > 0) {  // a bar under the figure: its share of the table's best
      cell.classList.add("bar");
      cell.style.setProperty("--share", given(row[name]) / best[name]);
    }
    return cell;
  })));
  const table = make("table", { "aria-label": title }, make("thead", {}, make("tr", {}, ...wanted.map(([, head, kind]) => make("th", { scope: "col", class: kind === "text" ? null : "n", "data-first": ["share", "percent", "ratio"].includes(kind) ? "descending" : null }, head)))), make("tbody", {}, ...body));
  sortable(table);
  return make("section", {}, make("h3", {}, title, against.length ? make("small", {}, ` speed-ups against ${against.join(", ")}`) : ""), make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title }, table));
}

const selects = filters.map((name) => {
  const values = [...new Set(all.map((row) => row[name]))].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  const select = make("select", { id: `by-${name}`, onchange: draw });
  fill(select, [["", "all"], ...values.map((v) => [`=${v}`, v || "–"])]);
  find("#filters").append(make("label", {}, name === "group" ? "family" : name, " ", select));
  return [name, select];
});

function kept() {
  const words = find("#find").value, full = find("#full").checked;
  return all.filter((row) => selects.every(([name, select]) => !select.value || select.value === `=${row[name]}`)
    && (!full || given(row.coverage) >= 1) && (!words || matches(Object.values(row).join(" "), words)));
}

function draw() {
  const rows = kept(), groups = new Map();
  for (const row of rows) {
    const size = row.dimension === "" ? "" : ` · d = ${count(given(row.dimension))}`;
    const title = `${row.suite} ${row.suite_version} · ${row.group}${size}`;
    if (!groups.has(title)) groups.set(title, []);
    groups.get(title).push(row);
  }
  const worth = (row) => (Number.isNaN(given(row.log_area)) || reference(row) ? -1 : given(row.log_area));
  find("#groups").replaceChildren(...[...groups].map(([title, mine]) => tableOf(title, mine.sort((a, b) => worth(b) - worth(a)))));
  find("#overview").hidden = groups.size < 2;  // of one table it would say nothing new
  find("#overview .scroll").replaceChildren(overviewOf([...groups]));
  find("#count").textContent = `${count(rows.length)} of ${count(all.length)} rows`;
}
find("#find").addEventListener("input", draw);
find("#full").addEventListener("change", draw);
find("#csv").addEventListener("click", () => { const names = Object.keys(columns); download("leaderboards.csv", [names, ...kept().map((row) => names.map((n) => row[n]))]); });
draw();
window.zobench = { kept };
const MOST = 8;  // curves in a figure
const end = (c) => c.points.at(-1)[1];
const bestFirst = (g) => [...g.curves].sort((a, b) => (g.goal === "final" ? end(a) - end(b) : end(b) - end(a))).map((c) => c.name);
tuningFigure((name, group) => { const i = bestFirst(group).indexOf(name); return i < MOST ? i : -1; })();
