/** An element of a picture. */
function draw(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null && value !== undefined) element.setAttribute(name, value);
  element.append(...children.filter(child => child !== null && child !== undefined));
  return element;
}
/** The hour and minute in Beijing. */
const hourText = ms => new Date(ms + 8 * 3600000).toISOString().slice(11, 16);
/** Runs of points without a longer pause than three of their usual steps: what did not come is not drawn. */
function runs(points) {
  const steps = points.slice(1).map((point, n) => point[0] - points[n][0]).sort((a, b) => a - b), usual = steps[Math.floor(steps.length / 2)] || 0, all = [[]];
  points.forEach((point, n) => { if (n && point[0] - points[n - 1][0] > 3 * usual) all.push([]); all.at(-1).push(point); });
  return all;
}
/** A curve of [time, literal] points over time, with its limit and the time under marks; what is no number, or did not come, is a gap. */
function curve(series, known) {
  const points = series.points.map(([time, text]) => [Date.parse(time), Number.parseFloat(text)]).filter(point => Number.isFinite(point[1]));
  if (points.length < 2) return null;
  const [x0, x1] = [points[0][0], points.at(-1)[0]], ys = points.map(point => point[1]), limit = known.limits[series.code];
  let [low, high] = [Math.min(...ys), Math.max(...ys)];
  // A limit that is far away would press the curve flat; it is said in words then.
  const near = limit !== undefined && limit <= high + 2 * Math.max(high - low, Math.abs(high) / 4);
  if (near) [low, high] = [Math.min(low, limit), Math.max(high, limit)];
  const x = time => 300 * (Math.min(Math.max(time, x0), x1) - x0) / (x1 - x0 || 1), y = value => 76 - 70 * (value - low) / (high - low || 1);
  const line = run => run.length > 1 ? draw("polyline", { points: run.map(([time, value]) => `${x(time).toFixed(1)},${y(value).toFixed(1)}`).join(" ") }) : draw("circle", { cx: x(run[0][0]), cy: y(run[0][1]), r: 1.5 });
  const bands = known.marks.filter(mark => mark.object === series.code || !/^[aw]\d{5}/.test(mark.object)).map(mark => [Date.parse(mark.since), mark.until ? Date.parse(mark.until) : x1, mark]).filter(([from, to]) => to > x0 && from < x1);
  const band = ([from, to, mark]) => draw("rect", { class: "band", x: x(from).toFixed(1), y: 0, width: Math.max(1, x(to) - x(from)).toFixed(1), height: 80 }, draw("title", {}, `${mark.mark} ${mark.object}`));
  const last = series.points.at(-1)[1], name = factorName(series.code, series.name), label = `${name} ${series.code}: ${last} ${series.unit || ""}, ${hourText(x0)}–${hourText(x1)}, ${Math.min(...ys)} – ${Math.max(...ys)}`;
  const picture = draw("svg", { viewBox: "0 0 300 80", preserveAspectRatio: "none", role: "img", "aria-label": label, class: "curve" }, ...bands.map(band), near ? draw("line", { class: "limit", x1: 0, x2: 300, y1: y(limit), y2: y(limit) }) : null, ...runs(points).map(line));
  return make("div", { class: "tile", "data-curve": series.code }, make("span", {}, `${name} ${series.code}`), make("b", { class: limit !== undefined && Number.parseFloat(last) > limit ? "bad" : null }, `${last} ${series.unit || ""}`), picture,
    make("div", { class: "axis" }, ...[x0, (x0 + x1) / 2, x1].map(time => make("span", {}, hourText(time)))), make("span", {}, `${Math.min(...ys)} – ${Math.max(...ys)}${limit !== undefined ? ` · ${say("limit")} ${limit}` : ""}${bands.length ? ` · ${[...new Set(bands.map(([, , mark]) => mark.mark))].join(" ")}` : ""}`));
}
