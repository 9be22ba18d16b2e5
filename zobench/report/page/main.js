// The page: which estimators are shown, and its parts.
const page = (window.zobench = {});  // what figures show now, for those who look

function chooser(update) {
  const host = find("#chips");
  const order = data.estimators.map((e, i) => [e, i]).sort((a, b) => a[0].place - b[0].place);
  const chosen = new Set(order.slice(0, 8).map(([, i]) => i));
  const boxes = order.map(([e, i]) => {
    const { colour, shape, dash } = looks(e.place);
    const line = make("path", { d: "M-12,0H12", fill: "none", "stroke-width": 2 }), mark = make("path", { d: shape });
    line.style.stroke = colour;
    line.style.strokeDasharray = dash;
    mark.style.fill = colour;
    const box = make("input", { type: "checkbox", checked: chosen.has(i), onchange: () => { if (box.checked) chosen.add(i); else chosen.delete(i); update(); } });
    host.append(make("label", {}, box, make("svg", { width: 28, height: 12, viewBox: "-14 -6 28 12", "aria-hidden": "true" }, line, mark), e.name, e.reference ? make("small", {}, "first-order reference") : null));
    return [box, i];
  });
  const set = (wanted) => () => { boxes.forEach(([box, i], k) => { box.checked = wanted(k); if (box.checked) chosen.add(i); else chosen.delete(i); }); update(); };
  find("#all").addEventListener("click", set(() => true));
  find("#best").addEventListener("click", set((k) => k < 8));
  find("#none").addEventListener("click", set(() => false));
  find("#best").hidden = order.length <= 8;
  return () => order.map(([, i]) => i).filter((i) => chosen.has(i));
}

theme();
tables();
const runs = decoded();
const figures = [];
const chosen = chooser(() => figures.forEach((update) => update()));
for (const figure of [ecdfFigure, convergeFigure, metersFigure, paretoFigure]) figures.push(figure(runs, chosen));
figures.push(tuningFigure((name) => { const e = data.estimators.findIndex((one) => one.name === name); return chosen().includes(e) ? data.estimators[e].place : -1; }));
figures.forEach((update) => update());
ranksFigure()();
rankSumFigure()();
runTable(runs);
page.runs = runs;
