// Leaderboards at a glance: each method's score in each table, in percent of that table's best.
// A score is NaN where a row has none; `reference` rows use gradients and set no measure.
function relative(tables) {  // [title, rows] -> [title, method -> [percent, row]]
  return tables.map(([title, rows]) => {
    const best = Math.max(0, ...rows.filter((row) => !reference(row)).map((row) => given(row.log_area) || 0));
    const shares = rows.map((row) => [row.method, [given(row.log_area) === 0 ? 0 : 100 * given(row.log_area) / best, row]]);
    return [title, new Map(shares.sort((a, b) => (a[1][0] || 0) - (b[1][0] || 0)))];  // the better track of a method stays
  });
}

function overviewOf(tables) {
  const shares = relative(tables);
  const methods = new Map(tables.flatMap(([, rows]) => rows.map((row) => [row.method, reference(row)])));
  // A mean in which a table without the method counts 0: otherwise running in few tables would be an advantage.
  const total = new Map([...methods.keys()].map((name) => [name, shares.reduce((sum, [, mine]) => sum + (mine.get(name)?.[0] || 0), 0)]));
  const worth = (name) => (methods.get(name) ? -1 : total.get(name));
  const names = [...methods.keys()].sort((a, b) => worth(b) - worth(a) || a.localeCompare(b));
  const cell = (name, [title, mine]) => {
    const [share, row] = mine.get(name) ?? [NaN, null];
    if (Number.isNaN(share)) return make("td", { class: "n", title, "data-sort": "nan" }, "–");
    const part = given(row.coverage) < 1;
    const facts = { class: "n shade", "data-sort": share, title: `${title}: score ${row.log_area}${part ? `, coverage ${percent(given(row.coverage))}` : ""}` };
    const node = make("td", facts, count(share) + (part ? "*" : ""));
    node.style.setProperty("--shade", `${0.45 * Math.min(share, 100)}%`);
    return node;
  };
  const row = (name) => {
    const head = make("th", { scope: "row" }, name);
    if (methods.get(name)) head.append(" ", make("small", {}, "first-order"));
    return make("tr", {}, head, ...shares.map((table) => cell(name, table)));
  };
  const short = (title) => title.replace(/^(\S+) (\S+) · \1 ·/, "$1 $2 ·");  // bbob 1 · bbob · d = 2
  const heads = ["method", ...shares.map(([title]) => short(title))].map((text) => make("th", { scope: "col", class: text === "method" ? null : "tilt", "data-first": text === "method" ? null : "descending" }, text));
  const table = make("table", { class: "overview", "aria-label": "Scores at a glance" }, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...names.map(row)));
  sortable(table);
  return table;
}
