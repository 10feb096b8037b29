// The live output of a running job. All that this page says is there without it.
"use strict";
const box = document.querySelector("pre[data-events]");
if (box) {
  const state = document.querySelector("#state");
  const source = new EventSource(box.dataset.events);
  let began = false;
  source.addEventListener("output", (event) => {
    if (!began) box.textContent = "";
    began = true;
    const atEnd = box.scrollTop + box.clientHeight > box.scrollHeight - 8;
    box.textContent += JSON.parse(event.data).text;
    if (atEnd) box.scrollTop = box.scrollHeight;
  });
  source.addEventListener("state", (event) => { state.textContent = JSON.parse(event.data).state; });
  source.addEventListener("end", () => { source.close(); location.reload(); });
}
