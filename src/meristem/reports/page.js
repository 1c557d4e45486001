// Draws the figures one after the other, so that the page can be read meanwhile.
(function () {
  var places = Array.prototype.slice.call(document.querySelectorAll(".figure"));
  var config = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d"] };
  if (window.matchMedia("(pointer: coarse)").matches) { config.displayModeBar = false; config.scrollZoom = false; }
  function draw(place) {
    if (place.dataset.drawn) { return; }
    place.dataset.drawn = "yes";
    var figure = JSON.parse(place.querySelector("script").textContent);
    if (config.displayModeBar === false) { figure.layout.dragmode = false; }  // a finger scrolls the page
    Plotly.newPlot(place, figure.data, figure.layout, config);
  }
  function next() {
    if (places.length) { draw(places.shift()); setTimeout(next, 0); } else { document.body.dataset.ready = "yes"; }
  }
  window.addEventListener("beforeprint", function () {
    places.splice(0).forEach(draw);
    document.querySelectorAll(".figure").forEach(function (place) { Plotly.Plots.resize(place); });
  });
  next();
})();
