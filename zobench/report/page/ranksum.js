// The best ranked against one other at each target: rank-sum tests, corrected for how many there are.
function rankSumFigure() {
  const root = find("#ranksum"), key = (name) => find(`[data-key="${name}"]`, root), pairs = data.tests.pairs;
  const name = (e) => data.estimators[e].name;
  fill(key("other"), pairs.map((pair, i) => [i, name(pair.b)]));
  let rows = [];

  function update() {
    const pair = pairs[Number(key("other").value || 0)];
    for (const part of [find(".controls", root), find(".plot", root), find(".scroll", root)]) part.hidden = !pair;
    if (!pair) { key("said").textContent = "It takes two estimators with runs."; return; }
    rows = pair.rows.map(([problem, target, m, n, p, corrected, effect]) => ({
      problem, name: data.problems[problem].name, target: real(data.problems[problem].targets[target]), place: target, m, n, p: real(p), corrected: real(corrected), effect: real(effect),
    }));
    const sure = rows.filter((r) => r.corrected <= 0.05), ahead = sure.filter((r) => r.effect > 0.5).length;
    const few = rows.every((r) => (2 / choices(r.m, r.n)) * rows.length > 0.05) ? " There are too few runs for any single target to show one." : "";
    key("said").textContent = rows.length
      ? `Of ${count(rows.length)} targets that a run of either reached, ${name(pair.a)} is sooner at ${count(ahead)}, ${name(pair.b)} at ${count(sure.length - ahead)}; at ${count(rows.length - sure.length)} no difference is shown (p ≤ 0.05 after correction for all ${count(rows.length)}).${few}`
      : `Neither ${name(pair.a)} nor ${name(pair.b)} reached a target.`;
    strip(find(".plot", root), pair, rows);
    factTable(find(".numbers", root), ["problem", "target", "runs", "effect", "p", "p corrected", "sooner"], rows.map((r) => [
      r.name, [number(r.target), r.place], `${r.m} : ${r.n}`, [Number.isNaN(r.effect) ? "–" : r.effect.toFixed(2), r.effect], [small(r.p), r.p], [small(r.corrected), r.corrected],
      r.corrected <= 0.05 ? name(r.effect > 0.5 ? pair.a : pair.b) : "not shown",
    ]));
    page.ranksum = rows;
  }
  const choices = (m, n) => { let found = 1; for (let k = 1; k <= m; k++) found *= (n + k) / k; return found; };
  const small = (v) => (Number.isNaN(v) ? "–" : v < 0.001 ? v.toExponential(0) : v.toFixed(3));
  key("csv").addEventListener("click", () => { const pair = pairs[Number(key("other").value || 0)]; download("rank-sum.csv", [["problem", "target", "a", "b", "runs a", "runs b", "effect", "p", "p corrected"], ...rows.map((r) => [r.name, r.target, name(pair.a), name(pair.b), r.m, r.n, r.effect, r.p, r.corrected])]); });
  key("other").addEventListener("change", update);
  return update;
}

// A row a problem, a cell a target: who is sooner, and where that is shown.
function strip(host, pair, rows) {
  redrawn(host, () => {
    const width = (host.width = host.clientWidth || 800), names = [...new Set(rows.map((r) => r.problem))], gap = names.length > 30 ? 13 : 18;
    const columns = Math.max(1, ...rows.map((r) => r.place + 1)), room = Math.min(width * 0.4, 14 + Math.max(30, ...names.map((p) => nameWidth(data.problems[p].name, host))));
    const cell = Math.max(3, Math.min(34, (width - room - 10) / columns)), height = 26 + gap * names.length;
    const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", tabindex: "0", "aria-label": `${find("#ranksum [data-key=said]").textContent} A row a problem, a cell a target; the table below has the numbers.` });
    host.replaceChildren(svg);
    svg.append(make("text", { x: room, y: 14 }, "easiest target first"));
    const [first, second] = [pair.a, pair.b].map((e) => looks(data.estimators[e].place).colour);
    names.forEach((p, i) => {
      svg.append(make("text", { x: room - 8, y: 26 + gap * i + gap * 0.7, "text-anchor": "end" }, fitted(data.problems[p].name, room - 12, host)));
    });
    for (const r of rows) {
      const shown = r.corrected <= 0.05, ahead = r.effect > 0.5, x = room + cell * r.place, y = 26 + gap * names.indexOf(r.problem);
      const box = make("rect", { class: shown ? "cell" : "cell open", x: x + 1, y: y + 1, width: Math.max(1, cell - 2), height: gap - 2, rx: 2 }, make("title", {}, `${data.problems[r.problem].name}, target ${number(r.target)}: effect ${number(r.effect)}, corrected p ${number(r.corrected)}`));
      if (r.effect !== 0.5 && !Number.isNaN(r.effect)) box.style.fill = ahead ? first : second;
      svg.append(box);
      if (shown && cell > 9) {  // told apart without colours too
        const sign = make("text", { class: "sign", x: x + cell / 2, y: y + gap * 0.72, "text-anchor": "middle" }, ahead ? "+" : "−");
        svg.append(sign);
      }
    }
  });
}
