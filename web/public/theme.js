// Runs before the first paint, so that a dark page never flashes white. A file, not inline: the CSP allows no inline.
(function () {
  var theme = null;
  try {
    theme = localStorage.getItem("inglenook.theme");
  } catch (_) {
    // Storage is off: follow the system.
  }
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
})();
