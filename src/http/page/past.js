/** Switches the wire log of a station; only whoever has the token of http.token_file can. */
function wireLog(mn) {
  const token = make("input", { type: "password", size: 20, placeholder: say("token"), "aria-label": say("token") }), state = make("span", { id: "wireState", class: "soft" }, "");
  const look = async () => {
    const found = (await (await fetch("/api/wire")).json()).find(w => w.mn === mn);
    state.textContent = found ? say("wireUntil", clock(found.until)) : say("wireNone");
  };
  const ask = async minutes => {
    const answer = await fetch("/api/wire/" + encodeURIComponent(mn), { method: "POST", headers: { Authorization: "Bearer " + token.value }, body: JSON.stringify({ minutes }) });
    if (answer.ok) look(); else state.textContent = `${answer.status} ${(await answer.json()).error}`;
  };
  look();
  return make("div", { class: "bar", id: "wire" }, make("span", {}, say("wire")), token, make("button", { onclick: () => ask(10) }, say("wireOn")), make("button", { onclick: () => ask(0) }, say("wireOff")), state);
}
async function past(mn, box, known) {
  const answer = await fetch(`/api/station/${encodeURIComponent(mn)}/history?hours=3`), text = await answer.text();
  if (chosen !== mn) return;
  if (answer.status === 503) { box.replaceChildren(make("p", { class: "soft" }, say("later"))); setTimeout(() => { if (chosen === mn) past(mn, box, known); }, 2000); return; }
  const h = answer.ok ? literal(text) : { error: `${answer.status} ${text}` };
  if (h.error) { box.replaceChildren(make("p", { class: "bad" }, say("unreadable", h.error)), make("button", { onclick: () => past(mn, box, known) }, say("again"))); at("one").dataset.ready = mn; return; }
  box.replaceChildren(
    make("div", { class: "head" }, make("h2", {}, `${say("lastFrames")}`), make("button", { onclick: () => past(mn, box, known) }, say("again"))), h.complete ? "" : make("p", { class: "soft" }, say("part", clock(h.from))),
    h.frames.length ? make("div", { class: "wide" }, ...h.frames.map(frame)) : make("p", { class: "soft" }, say("none")),
    make("h2", {}, `${say("curves")} · ${h.hours} ${say("hours")}`), make("div", { class: "curves" }, ...h.series.map(series => curve(series, known)).filter(Boolean)));
  at("one").dataset.ready = mn;
}
async function station(mn, date) {
  const box = at("one"), answer = await fetch("/api/station/" + encodeURIComponent(mn));
  if (chosen !== mn) return;
  if (!answer.ok) { box.replaceChildren(make("p", { class: "bad" }, say("noSuch"))); return; }
  const text = await answer.text(), s = literal(text);
  const state = make("span", {}), now = make("div", {}), days = make("div", { id: "judged" }), before = make("div", { id: "past" }, make("p", { class: "soft" }, say("reading")));
  box.replaceChildren(
    make("div", { class: "head" }, make("h2", {}, s.name || s.mn), state, make("a", { href: listAddress(), class: "back" }, "‹ " + say("back"))),
    make("p", {}, make("span", { class: "mono" }, s.mn), " · ", Object.entries(s.tags).map(([k, v]) => `${named("tag", k)}${zh ? "：" : ": "}${v}`).join(" · ")), last && last.overview.writable ? wireLog(mn) : "", days, now, before);
  box.dataset.mn = mn;
  let known = "";
  const fill = text => {
    if (text === known) return;
    known = text;
    const s = literal(text);
    state.replaceChildren(presence(s), s.since ? ` ${say("since")} ${clock(s.since)}` : "", s.peer ? ` · ${s.peer}` : ""); now.replaceChildren(...nowOf(s).filter(Boolean));
  };
  fill(text);
  clearInterval(refreshing);
  if (!still) refreshing = setInterval(async () => {
    if (document.hidden || String(getSelection())) return;
    const answer = await fetch("/api/station/" + encodeURIComponent(mn));
    if (chosen === mn && answer.ok) fill(await answer.text());
  }, 2000);
  const names = Object.fromEntries(Object.values(s.latest).flatMap(body => Object.entries(body.readings || {})).map(([code, reading]) => [code, reading.name]));
  const limits = await judged(mn, days, date, names);
  if (chosen === mn) await past(mn, before, { limits, marks: s.marks.map(body => body.mark) });
}
