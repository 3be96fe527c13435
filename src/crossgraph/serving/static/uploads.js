// Pictures to search by: chosen, dropped anywhere, or pasted. A picture of the grid that is dropped is one of the query.

export function startUploads({ change, complain, failed }) {
  const file = document.getElementById("file");
  const dropping = document.getElementById("dropping");
  const form = document.getElementById("search");

  async function send(picture) {
    const body = new FormData();
    body.append("picture", picture, picture.name || "picture");
    document.documentElement.classList.add("busy");
    try {
      const answer = await fetch("/v1/uploads", { method: "POST", body }).catch(() => null);
      const told = await answer?.json().catch(() => null);
      if (answer?.ok) await change((parameters) => parameters.append("term", `1:image:${told.id}`));
      else if (!answer || answer.status === 401) failed(answer, () => send(picture));
      else complain(told ? told.detail.charAt(0).toUpperCase() + told.detail.slice(1) : "That picture was not taken.");
    } finally {
      document.documentElement.classList.remove("busy");
    }
  }

  file.addEventListener("change", () => {
    if (file.files[0]) send(file.files[0]);
    file.value = "";
  });

  addEventListener("paste", (event) => {
    const picture = [...(event.clipboardData?.files ?? [])].find((one) => one.type.startsWith("image/"));
    if (!picture) return;
    event.preventDefault();
    send(picture);
  });

  let inside = 0;
  const carries = (event) => [...(event.dataTransfer?.types ?? [])];
  const show = (is) => { dropping.hidden = !is; };
  addEventListener("dragenter", (event) => {
    inside += 1;
    if (carries(event).includes("Files")) show(true);
  });
  addEventListener("dragleave", () => {
    inside = Math.max(0, inside - 1);
    if (!inside) show(false);
  });
  addEventListener("dragover", (event) => {
    if (carries(event).includes("Files") || form.contains(event.target)) event.preventDefault();
  });
  addEventListener("drop", (event) => {
    inside = 0;
    show(false);
    const picture = [...event.dataTransfer.files].find((one) => one.type.startsWith("image/"));
    if (picture) {
      event.preventDefault();
      send(picture);
      return;
    }
    const address = event.dataTransfer.getData("text/uri-list");
    const id = form.contains(event.target) && address.startsWith(location.origin) && idIn(address);
    if (!id) return;
    event.preventDefault();
    change((parameters) => parameters.append("term", `1:item:${id}`));
  });
}

function idIn(address) {
  const url = new URL(address);
  return url.searchParams.get("open") ?? url.pathname.match(/^\/v1\/items\/([^/]+)\//)?.[1];
}
