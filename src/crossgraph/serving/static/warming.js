// Opens the page as soon as the server is ready, and says meanwhile what it does.
const phase = document.getElementById("phase");
const bar = document.querySelector("progress");

async function look() {
  try {
    const answer = await fetch("/v1/health/ready", { headers: { Accept: "application/json" } });
    const health = await answer.json();
    if (answer.ok || health.status === "failed") { location.reload(); return; }
    if (phase) phase.textContent = health.phase;
    if (bar?.hasAttribute("max")) bar.value = Math.min(health.seconds, bar.max);
  } catch { /* it may be starting again */ }
  setTimeout(look, 700);
}
look();
