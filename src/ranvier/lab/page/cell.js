// A cell of a file of the user's, in a frame: drawn anew when the file changes, with what the reader has moved.

let openCell = null;
function openScene(name) {
  store = null;
  say("");
  fileStamp = null;
  const frame = h("iframe", { title: name, class: "scene" });
  openCell = { name, frame };
  place.replaceChildren(h("header", {}, h("h1", {}, name),
    h("div", { class: "row", role: "toolbar", "aria-label": "Cell" }, h("button", { type: "button", onclick: () => { openCell = null; home().catch(fail); } }, "Home"))),
    message, frame, live);
  showCell();
  document.documentElement.dataset.ready = "cell";
}
/** Loads the scene; what was changed in the one before stands in its address, and goes over. */
function showCell() {
  let moved = "";
  try { moved = openCell.frame.contentWindow.location.hash; } catch { /* not loaded yet */ }
  openCell.frame.src = `/api/scene?name=${encodeURIComponent(openCell.name)}&again=${showCell.count = (showCell.count || 0) + 1}${moved}`;
}
