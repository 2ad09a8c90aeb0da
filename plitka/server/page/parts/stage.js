// The one large picture: the live one, or what the server has drawn.

let staged = "live";

function stageShows(which) {
  // While a tile is drawn, its preview stands here, whichever earlier result is looked at below.
  const result = isWaiting ? variantOf(run, run.chosen) : shown;
  const index = result ? [1, 0].find((i) => (result.pictures[i] || "").startsWith("data:image/")) : undefined;
  staged = which === "drawn" && index !== undefined ? "drawn" : "live";
  const isDrawn = staged === "drawn";
  byId("drawn").hidden = !isDrawn;
  if (isDrawn) {
    const title = pictureTitle(result, PICTURES[index]);
    byId("drawn").src = result.pictures[index];
    byId("drawn").alt = text("pictureAlt", { picture: title, mix: mixText(result.colors) });
    byId("live-title").textContent = title;
  } else {
    byId("live-title").textContent = text("liveTitle");
  }
  byId("live-size").textContent = extentText(isDrawn ? scaleOfResult(result) : scaleOf());
  byId("save").hidden = !isDrawn;
  if (isDrawn) Object.assign(byId("save"), { href: result.pictures[index], download: fileOf(result, PICTURES[index], result.pictures[index]) });
  byId("turn").classList.toggle("off", index === undefined);
  byId("turn").textContent = text(isDrawn ? "showLive" : "showDrawn");
  byId("live-note").textContent = isDrawn ? text(`drawnNote_${PICTURES[index]}`) : liveWords();
  showVariants();
}

// From afar the live picture's granules are larger than the server's.
function liveWords() {
  return text(pitchesOf(scaleOf()).contrast < 1 ? "liveNoteLarger" : "liveNote");
}

// A result stays in sight until another recipe is chosen.
function recipeChanged() {
  if (!run || run.isOver) stageShows("live");
  const { key } = byId("error").dataset;
  if (!byId("error").hidden && key === "notWhole" && !missingUnits(state.colors)) hideError();
}
