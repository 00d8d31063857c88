// Keeps the list current and offers to clear it. Everything else on the page works without this file.
const clear = document.getElementById("clear");
clear.hidden = false;
clear.addEventListener("click", async () => {
  await fetch("/messages", { method: "DELETE" });
  location.assign("/");
});

async function refresh() {
  const answer = await fetch(location.href);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  document.querySelector(".list").replaceWith(page.querySelector(".list"));
  document.body.dataset.newest = page.body.dataset.newest;
}

async function follow() {
  for (;;) {
    try {
      const answer = await fetch(`/messages?wait=25&after=${document.body.dataset.newest}`);
      const { messages } = await answer.json();
      if (messages.length > 0) await refresh();
    } catch {
      // The mailbox is being restarted: it comes back, empty.
      await new Promise((resume) => setTimeout(resume, 2000));
    }
  }
}

follow();
