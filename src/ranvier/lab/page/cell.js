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
  frame.hidden = true;
  showCell().then(() => { document.documentElement.dataset.ready = "cell"; }).catch(fail);
}
/** Loads the scene; what was changed in the one before stands in its address, and goes over. */
async function showCell() {
  const cell = openCell, file = await get("/api/file");
  if (openCell !== cell) return;
  if (file.problem) return say(file.problem);
  cell.frame.hidden = false;
  let moved = "";
  try { moved = openCell.frame.contentWindow.location.hash; } catch { /* not loaded yet */ }
  openCell.frame.src = `/api/scene?name=${encodeURIComponent(openCell.name)}&again=${showCell.count = (showCell.count || 0) + 1}${moved}`;
}
