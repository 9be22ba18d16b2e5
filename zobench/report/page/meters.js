// Time and memory of a query as bars inside a table.
function metersFigure(all, chosen) {
  const root = find("#meters"), key = (name) => find(`[data-key="${name}"]`, root);
  const many = data.problems.length > 1;
  fill(key("problem"), [...(many ? [["", "median over problems"]] : []), ...data.problems.map((p, i) => [i, p.name])]);
  let shown = [];
  const median = (values) => { const known = values.filter((v) => !Number.isNaN(v)).sort((a, b) => a - b); return known.length ? quantile(known, 0.5) : NaN; };

  // Problems that all the estimators with any measurement in a column were measured on: medians over different ones do not compare.
  function common(estimators, column) {
    const measured = estimators.map((e) => new Set(data.meters.filter((row) => row[1] === e && !Number.isNaN(real(row[column]))).map((row) => row[0]))).filter((set) => set.size);
    return new Set([...(measured[0] ?? [])].filter((p) => measured.every((set) => set.has(p))));
  }

  function update() {
    const problem = key("problem").value;
    const wanted = [2, 4].map((column) => (problem === "" ? common(chosen(), column) : new Set([Number(problem)])));
    key("about").textContent = problem === "" ? `time over ${wanted[0].size}, memory over ${wanted[1].size} of ${data.problems.length}: those where all of them were measured` : "";
    shown = chosen().map((e) => {
      const over = (column) => median(data.meters.filter((row) => row[1] === e && wanted[column < 4 ? 0 : 1].has(row[0])).map((row) => real(row[column])));
      const [total, own, peak, ratio] = [2, 3, 4, 5].map(over);
      return { name: data.estimators[e].name, total, own, objective: Math.max(0, total - own), peak, ratio };
    }).filter((row) => !Number.isNaN(row.total) || !Number.isNaN(row.peak));
    const widest = { total: 0, peak: 0 };
    for (const row of shown) for (const name of ["total", "peak"]) if (Number.isFinite(row[name])) widest[name] = Math.max(widest[name], row[name]);
    const bar = (parts, whole) => make("td", { class: "bar", "aria-hidden": "true" }, make("span", { class: "track" }, ...parts.filter(([v]) => v > 0 && whole > 0).map(([v, kind]) => {
      const part = make("i", { class: kind });
      part.style.width = `${(100 * v) / whole}%`;
      return part;
    })));
    const cell = (text, value) => make("td", { class: "n", "data-sort": value }, text);
    const head = ["estimator", "time per query", "", "its own part", "objective", "peak memory", "", "× eval"];
    find(".bars", root).replaceChildren(
      make("thead", {}, make("tr", {}, ...head.map((text, i) => make("th", text ? { scope: "col", class: i ? "n" : null } : { "aria-hidden": "true" }, text)))),
      make("tbody", {}, ...shown.map((row) => make("tr", {}, make("th", { scope: "row" }, row.name), cell(duration(row.total), row.total), bar([[row.own, "own"], [row.objective, "objective"]], widest.total),
        cell(duration(row.own), row.own), cell(duration(row.objective), row.objective), cell(memory(row.peak), row.peak), bar([[row.peak, "mem"]], widest.peak), cell(number(row.ratio), row.ratio)))),
    );
    sortable(find(".bars", root));
    if (!shown.length) find(".bars", root).replaceChildren(make("caption", {}, "No estimator is chosen, or nothing was measured here."));
  }
  key("csv").addEventListener("click", () => download("meters.csv", [["estimator", "seconds a query", "of these the estimator's", "peak memory (bytes)", "memory ratio"], ...shown.map((r) => [r.name, r.total, r.own, r.peak, r.ratio])]));
  key("problem").addEventListener("change", update);
  return update;
}
