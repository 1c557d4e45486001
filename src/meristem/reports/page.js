// Draws the figures one after the other, so that the page can be read meanwhile; fits them to paper when it is printed.
(function () {
  var all = Array.prototype.slice.call(document.querySelectorAll(".figure")), waiting = all.slice();
  var folded = [], printing = false;
  var config = { responsive: true, displayModeBar: false, scrollZoom: false };
  var touch = window.matchMedia("(pointer: coarse)").matches;
  var PAPER = 656;  // pixels between the margins of A4 and the edges of a card
  var FLATTER = 0.9;  // of the height on a screen, so that more fit on a sheet
  function draw(place) {
    if (place.dataset.drawn) { return; }
    place.dataset.drawn = "yes";
    var figure = JSON.parse(place.querySelector("script").textContent);
    if (touch) { figure.layout.dragmode = false; }  // a finger scrolls the page
    Plotly.newPlot(place, figure.data, figure.layout, config);
  }
  function next() {
    if (waiting.length) { draw(waiting.shift()); setTimeout(next, 0); } else { document.body.dataset.ready = "yes"; }
  }
  // The window's width does not matter on paper: figures are laid out anew. What is drawn by the graphics card would
  // come too late, and is scaled.
  function fit(place) {
    if (place.querySelector("canvas")) {
      var width = place.getBoundingClientRect().width;
      place.style.width = width + "px";
      place.style.zoom = Math.min(1, PAPER / width);
    } else {
      place.dataset.height = place.layout.height;
      place.style.width = PAPER + "px";
      place.style.height = FLATTER * place.layout.height + "px";
      Plotly.relayout(place, { width: PAPER, height: FLATTER * place.layout.height, autosize: false });
    }
  }
  function release(place) {
    place.style.zoom = place.style.width = "";
    if (!place.dataset.height) { return; }
    place.style.height = place.dataset.height + "px";
    Plotly.relayout(place, { width: null, height: Number(place.dataset.height), autosize: true });
    delete place.dataset.height;
  }
  window.addEventListener("beforeprint", function () {
    if (printing) { return; }
    printing = true;
    waiting.splice(0).forEach(draw);
    all.forEach(fit);
    folded = Array.prototype.slice.call(document.querySelectorAll("details:not([open])"));
    folded.forEach(function (part) { part.open = true; });
  });
  window.addEventListener("afterprint", function () {
    printing = false;
    folded.splice(0).forEach(function (part) { part.open = false; });
    all.forEach(release);
  });
  next();
})();
