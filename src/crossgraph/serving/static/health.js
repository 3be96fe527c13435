// How far the work on the gallery is, and the page anew when it has ended.

const EVERY = 700;
const place = document.querySelector("[data-running]");
const phase = document.querySelector("[data-phase]")?.dataset.phase;

async function follow() {
  let job;
  try {
    const answer = await fetch(`/v1/jobs/${place.dataset.running}`);
    if (!answer.ok) return location.reload();
    job = await answer.json();
  } catch {
    return setTimeout(follow, 4 * EVERY);
  }
  if (job.state !== "running") return location.reload();
  place.querySelector("[data-doing]").textContent = job.doing;
  place.querySelector("[data-done]").textContent = job.done.toLocaleString("en");
  place.querySelector("[data-total]").textContent = job.total.toLocaleString("en");
  const bar = place.querySelector("progress");
  if (job.total) {
    bar.max = job.total;
    bar.value = job.done;
    const said = `${Math.floor((10 * job.done) / job.total) * 10} percent`;
    const status = place.querySelector("[data-said]");
    if (status.textContent !== said) status.textContent = said;
  }
  setTimeout(follow, EVERY);
}

async function wait() {
  const answer = await fetch("/v1/health/ready").catch(() => null);
  if (answer?.ok) return location.reload();
  setTimeout(wait, 2 * EVERY);
}

if (place) setTimeout(follow, EVERY);
else if (phase && phase !== "ready" && phase !== "failed") setTimeout(wait, EVERY);
