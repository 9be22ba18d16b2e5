// What tuning finds with 1, 2, 4, ... trials. See zobench/analysis/best_of.py.
// place: (name, group) -> its colour and shape; negative: it is not shown.
function tuningFigure(place) {
  const root = find("#tuning");
  if (!root) return () => {};  // nobody was tuned
  const key = (name) => find(`[data-key="${name}"]`, root);
  fill(key("group"), data.tuning.map((g, i) => [i, `${g.suite} · ${g.group}`]));

  function update() {
    const group = data.tuning[Number(key("group").value)];
    if (!group) return;
    const queries = group.goal === "final", bands = key("bands").checked;
    const shown = group.curves.map((c) => ({ ...c, index: place(c.name, group) })).filter((c) => c.index >= 0);
    const at = (points) => (x) => {  // straight between points, as drawn
      const next = points.findIndex((p) => p[0] >= x * 0.9999);
      if (next < 1) return next ? NaN : points[0][1];
      const [a, b] = [points[next - 1], points[next]], share = Math.log(x / a[0]) / Math.log(b[0] / a[0]);
      return queries ? a[1] * (b[1] / a[1]) ** share : a[1] + share * (b[1] - a[1]);
    };
    const series = shown.map((c) => ({ name: c.name, index: c.index, points: c.points.map((p) => [p[0], p[1]]), band: bands ? c.points.map((p) => [p[0], p[2], p[3]]) : null, at: at(c.points) }));
    const values = shown.flatMap((c) => c.points.flatMap((p) => (bands ? p.slice(1) : [p[1]])));
    const low = Math.min(...values), high = Math.max(...values), last = Math.max(2, ...shown.map((c) => c.points.at(-1)[0]));
    chart(find(".plot", root), {
      title: `What tuning finds on ${group.group}`, series, empty: "",
      x: { label: "trials", low: 1, high: last, log: true, text: count },
      y: queries ? { label: "expected queries to the final target", low: low / 1.15, high: high * 1.15, log: true, text: null } : { label: "log_area", low: 0, high: Math.max(high * 1.05, 0.01), log: false, text: null },
    });
    const told = (v) => [queries ? count(v) : v.toFixed(3), v];
    factTable(find(".numbers", root), ["estimator", "trials", "1 trial", "half of the trials", "all trials"], shown.map((c) => {
      const half = c.points.findLast((p) => p[0] <= c.points.at(-1)[0] / 2) ?? c.points[0];
      return [c.name, [count(c.points.at(-1)[0]), c.points.at(-1)[0]], told(c.points[0][1]), told(half[1]), told(c.points.at(-1)[1])];
    }));
    window.zobench.tuning = shown;
  }
  key("csv").addEventListener("click", () => download("tuning.csv", [["suite", "group", "goal", "estimator", "trials", "mean", "low", "high"], ...data.tuning.flatMap((g) => g.curves.flatMap((c) => c.points.map((p) => [g.suite, g.group, g.goal, c.name, ...p])))]));
  for (const name of ["group", "bands"]) key(name).addEventListener("change", update);
  return update;
}
