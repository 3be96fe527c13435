// Work on the gallery that goes on while it is searched: how far it is, and what it brought when it ends.

const EVERY = 1000;
let watched = "";

/** Follow the job that the page names, and call `ended` when it is over, or has brought the first pictures. */
export function watchJob(ended) {
  const place = document.querySelector("[data-job]");
  if (!place || watched === place.dataset.job) return;
  watched = place.dataset.job;
  const first = place.closest("#page").classList.contains("empty");
  look(watched, first, ended);
}

async function look(id, first, ended) {
  const place = document.querySelector(`[data-job="${id}"]`);
  if (!place) { watched = ""; return; }
  let job = null;
  try {
    const answer = await fetch(`/v1/jobs/${id}`);
    if (!answer.ok) { watched = ""; return; }
    job = await answer.json();
  } catch {
    setTimeout(look, EVERY * 3, id, first, ended);
    return;
  }
  const over = job.state !== "running";
  if (over || (first && job.done >= 64)) {
    watched = "";
    place.removeAttribute("data-job");
    return ended();
  }
  place.querySelector("[data-job-done]").textContent = job.done.toLocaleString("en");
  place.querySelector("[data-job-total]").textContent = job.total.toLocaleString("en");
  const bar = place.querySelector("progress");
  if (job.total) { bar.max = job.total; bar.value = job.done; }
  setTimeout(look, EVERY, id, first, ended);
}
