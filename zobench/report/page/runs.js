// Every run, a page at a time.
const PAGE = 25;

function runTable(all) {
  const columns = [
    ["problem", (r) => data.problems[r.problem].name], ["estimator", (r) => data.estimators[r.estimator].name], ["run", (r) => r.repetition + 1, count],
    ["status", (r) => r.status], ["targets", (r) => r.hits("queries").filter(Number.isFinite).length, (v, r) => `${v}/${r.targets}`], ["queries", (r) => r.queries, count],
    ["time", (r) => r.seconds, duration], ["objective's part", (r) => r.objective / r.seconds, percent], ["memory", (r) => r.memory, memory],
    ["final score", (r) => r.final, (v) => number(v, 4)], ["best score", (r) => r.best, (v) => number(v, 4)], ["reason", (r) => r.reason],
  ];
  const table = find("#run-table"), field = find("#run-find"), pages = find("#run-pages");
  let order = all, at = 0;
  const body = make("tbody");
  const heads = columns.map(([name, , show]) => make("th", { scope: "col", class: show ? "n" : null }, name));
  table.replaceChildren(make("thead", {}, make("tr", {}, ...heads)), body);
  const text = (run) => `${columns[0][1](run)} ${columns[1][1](run)} ${run.status} ${run.reason}`;
  const kept = () => (field.value ? order.filter((run) => matches(text(run), field.value)) : order);

  function draw() {
    const found = kept(), last = Math.max(0, Math.ceil(found.length / PAGE) - 1);
    at = Math.min(at, last);
    body.replaceChildren(...found.slice(at * PAGE, (at + 1) * PAGE).map((run) => make("tr", {}, ...columns.map(([name, of, show]) => {
      const value = of(run);
      if (name === "status") return make("td", {}, make("span", { class: "status", "data-status": value }, value));
      return make("td", { class: show ? "n" : null }, show ? show(value, run) : String(value));
    }))));
    const step = (name, by, off) => make("button", { type: "button", disabled: off, onclick: () => { at += by; draw(); say(`Page ${at + 1} of ${last + 1}`); } }, name);
    pages.replaceChildren(step("Back", -1, at === 0), `${found.length ? at * PAGE + 1 : 0} to ${Math.min(found.length, (at + 1) * PAGE)} of ${count(found.length)}`, step("Next", 1, at === last));
  }
  heads.forEach((head, i) => heading(head, (sign) => {
    const keyed = all.map((run) => [columns[i][1](run), run]).map(([v, run]) => [typeof v === "number" ? (Number.isNaN(v) ? null : v) : v || null, run]);
    order = keyed.sort((a, b) => compared(a[0], b[0], sign)).map(([, run]) => run);
    at = 0;
    draw();
  }));
  field.addEventListener("input", () => { at = 0; draw(); });
  find("#run-csv").addEventListener("click", () => download("runs.csv", [columns.map(([name]) => name), ...kept().map((run) => columns.map(([, of]) => of(run)))]));
  draw();
}
