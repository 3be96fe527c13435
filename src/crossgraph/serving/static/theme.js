// Before anything is drawn: that scripts run, and which theme was chosen. Without a choice the system's is followed.
{
  const root = document.documentElement;
  root.classList.add("js");
  const chosen = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  const named = root.dataset.theme;
  const show = (theme) => { if (theme) root.dataset.theme = theme; else delete root.dataset.theme; };
  if (!named) show(chosen());
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("#theme")) return;
    const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    const next = (root.dataset.theme || system) === "dark" ? "light" : "dark";
    show(next === system ? null : next);
    try { if (next === system) localStorage.removeItem("theme"); else localStorage.setItem("theme", next); } catch { /* it lasts for this page */ }
  });
  addEventListener("storage", (event) => { if (event.key === "theme" && !named) show(event.newValue); });
}
