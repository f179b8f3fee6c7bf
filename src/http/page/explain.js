/** One thing of a paste: what it says, what is wrong with it, what to change. */
function explainedFrame(f) {
  const language = zh ? "zh" : "en", p = f.packet || {}, rows = [];
  for (const [name, value] of [["QN", p.qn], ["ST", p.st], ["CN", p.cn && `${p.cn} ${(zh ? p.cn_zh : p.cn_en) || ""}`], ["MN", p.mn], ["Flag", p.flag], ["DataTime", p.data_time]]) if (value !== null && value !== undefined && value !== "") rows.push(make("tr", {}, make("td", { class: "mono" }, name), make("td", { class: "mono text" }, value)));
  return make("div", { class: "note", "data-ok": f.ok },
    make("div", { class: f.ok ? "good" : "bad" }, say(f.ok ? "usable" : "notUsable"), f.error ? `: ${f.error[language]} (${f.error.reason})` : ""),
    f.error && f.error.known_mistake ? make("div", { class: "warn" }, `${say("likely")}: ${f.error.known_mistake[language]} (${f.error.known_mistake.code})`) : null,
    ...f.changes.map(c => make("div", { class: "warn" }, `${say("change")}: ${c[language]}`)),
    p.crc_computed ? make("div", { class: "soft" }, `${say("lengthSaid", p.length_declared ?? "—", p.length)} · ${say("crcSaid", p.crc_said ?? "—", p.crc_computed)}`) : null,
    p.seal ? make("div", {}, p.seal[language]) : null,
    f.text ? make("p", { class: "mono" }, f.text) : null,
    f.deviations.length ? make("div", { class: "soft" }, `${say("deviations")}: ${f.deviations.map(deviationName).join(zh ? "；" : "; ")}`) : null,
    rows.length ? make("table", {}, make("tbody", {}, ...rows)) : null,
    ...[f, ...((f.instruments || []).length > 1 ? f.instruments : [])].filter(of => of.readings && Object.keys(of.readings).length).map(of => make("div", { class: "wide" }, readings(of))));
}
/** A paste is read by the gateway, nothing is kept. */
async function explainPaste() {
  at("pasteState").textContent = "…";
  const answer = await fetch("/api/explain", { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body: at("paste").value }), text = await answer.text();
  if (!answer.ok) { at("explained").replaceChildren(); at("pasteState").textContent = `${answer.status} ${text.slice(0, 200)}`; return; }
  const said = literal(text);
  at("pasteState").textContent = said.read_as.map(form => say("readAs", form[zh ? "zh" : "en"])).join(" · ");
  at("explained").replaceChildren(...(said.frames.length ? said.frames.map(explainedFrame) : [make("p", { class: "soft" }, say("none"))]), Number(said.left_out) ? make("p", { class: "soft" }, say("leftOut", said.left_out)) : "");
}
