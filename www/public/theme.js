// Runs before the first paint, so that a chosen theme does not flash in. The page's policy forbids inline scripts.
try {
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is refused in some private windows; the system's setting then decides.
}
