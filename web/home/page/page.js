
"use strict";

// Everything that comes from elsewhere is shown as text, never as markup.
const $ = (id) => document.getElementById(id);
const development = JSON.parse($("development").textContent);
const known = development?.token ? development : null; // null in production, and where the token is not given

fillLines();
if (known) {
  for (const e of document.querySelectorAll(".user")) e.textContent = known.user;
  $("live").hidden = false;
  startPanel(known);
} else if (development) {
  $("port").textContent = location.port || "8080";
  $("elsewhere").hidden = false;
}

// --- The three lines -------------------------------------------------------

function fillLines() {
  for (const line of document.querySelectorAll(".line code")) {
    let text = line.textContent.replace("{origin}", location.origin).replace("{user}", known?.user ?? "ada");
    if (known) text = text.replace('"Authorization: Bearer $TOKEN"', `'Authorization: Bearer ${known.token}'`);
    line.textContent = text;
    line.parentElement.tabIndex = 0; // it scrolls, so it must be reachable
  }
  if (known) {
    $("lines-token").hidden = true;
    $("silence").textContent = `After ${known.silenceMs / 1000} s without another heartbeat`;
  }
  for (const button of document.querySelectorAll(".copy")) {
    button.setAttribute("aria-label", `Copy line ${button.dataset.line.slice(-1)}`);
    button.addEventListener("click", () => copy($(button.dataset.line)));
  }
}

async function copy(line) {
  try {
    await navigator.clipboard.writeText(line.textContent);
    $("copied").textContent = "Copied.";
  } catch { // browsers have a clipboard only for https and for localhost
    getSelection().selectAllChildren(line);
    $("copied").textContent = "Selected: copy it with your keyboard.";
  }
}

// --- The live panel --------------------------------------------------------

function startPanel({ user, token }) {
  const sessionId = "page-" + crypto.randomUUID(); // one page load, one session
  let seq = 0;
  let leaveToken = "";
  let here = false;
  let nextBeat = 0; // timer
  let lastBeat = Promise.resolve(); // the one under way, if any

  const api = async (method, path, body) => {
    const answer = await fetch(path, {
      method,
      headers: { Authorization: `Bearer ${token}`, ...(body && { "Content-Type": "application/json" }) },
      body: body && JSON.stringify(body),
    });
    const told = await answer.json();
    if (!answer.ok) throw new Error(`${told.title}. ${told.detail ?? ""}`);
    return told;
  };

  function beat() {
    clearTimeout(nextBeat);
    return lastBeat = beatOnce();
  }

  async function beatOnce() {
    let wait = 5000; // where it fails
    try {
      const told = await api("POST", "/v1/presence/heartbeat", {
        sessionId, device: "web", visibility: document.visibilityState === "hidden" ? "hidden" : "visible", seq: ++seq,
      });
      leaveToken = told.leaveToken;
      wait = told.nextMs;
      $("beating").textContent = `This page beats, next in ${(wait / 1000).toFixed(wait < 10000 ? 1 : 0)} s.`;
    } catch (e) {
      $("beating").textContent = `The heartbeat failed: ${e.message}`;
    }
    if (!here) return; // has left meanwhile
    clearTimeout(nextBeat); // that of another beat meanwhile
    nextBeat = setTimeout(beat, wait);
  }

  // goodbye can be sent while the page goes away, when nothing else can.
  function goodbye() {
    if (!here) return;
    here = false;
    clearTimeout(nextBeat);
    navigator.sendBeacon("/v1/presence/leave", JSON.stringify({ leaveToken }));
  }

  // choose makes sure that somebody is there to have a status: without a session every choice is offline.
  async function choose(status) {
    here = true;
    try {
      await beat();
      await (status ? api("PUT", "/v1/presence/status", { status }) : api("DELETE", "/v1/presence/status"));
    } catch (e) {
      $("beating").textContent = e.message;
    }
  }

  $("online").addEventListener("click", () => choose(""));
  $("busy").addEventListener("click", () => choose("busy"));
  $("dnd").addEventListener("click", () => choose("dnd"));
  $("leave").addEventListener("click", async () => {
    await lastBeat; // one that came after the leave would take it back
    $("beating").textContent = here ? "This page has left; a moment of grace follows, in case it was a reload." : "This page is not there.";
    goodbye();
  });
  document.addEventListener("visibilitychange", () => { if (here) beat(); });
  addEventListener("pagehide", goodbye);

  watch(user, token);
}

// --- The stream ------------------------------------------------------------

// watch reads the stream with fetch, because EventSource cannot send a token, and comes back when it ends.
async function watch(user, token) {
  let lastId = "";
  let retry = 3000;
  let rev = 0;
  for (;;) {
    let why = "it ended";
    try {
      const answer = await fetch(`/v1/stream?user=${encodeURIComponent(user)}`, {
        headers: { Authorization: `Bearer ${token}`, ...(lastId && { "Last-Event-ID": lastId }) },
        cache: "no-store",
      });
      if (!answer.ok) throw new Error((await answer.json()).detail);
      $("connection").textContent = "open";
      for await (const block of blocks(answer.body)) {
        const event = parse(block);
        log(block, event.name === "");
        if (event.retry) retry = Number(event.retry);
        if (event.id !== undefined) lastId = event.id;
        if (event.name !== "snapshot" && event.name !== "presence") continue;
        for (const p of JSON.parse(event.data).presences) {
          if (p.userId !== user || p.rev <= rev && event.name !== "snapshot") continue;
          rev = p.rev;
          show(p);
        }
      }
    } catch (e) {
      why = e.message;
    }
    $("connection").textContent = `closed (${why}), again in ${Math.ceil(retry / 1000)} s`;
    await new Promise((resolve) => setTimeout(resolve, retry));
  }
}

// blocks yields what stands between blank lines.
async function* blocks(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const whole = (rest + value).split("\n\n");
    rest = whole.pop();
    yield* whole;
  }
}

function parse(block) {
  const event = { name: "", data: "" };
  for (const line of block.split("\n")) {
    const [, field, value] = line.match(/^([^:]*):? ?(.*)$/);
    if (field === "event") event.name = value;
    else if (field === "data") event.data += value;
    else if (field === "id" || field === "retry") event[field] = value;
  }
  return event;
}

function show(p) {
  const words = { dnd: "not to be disturbed" };
  $("dot").dataset.status = p.status;
  $("status").textContent = words[p.status] ?? p.status;
  const devices = Object.entries(p.devices ?? {}).map(([name, status]) => `${name}: ${status}`).join(", ");
  $("more").textContent = p.status === "offline" ? (p.lastSeenAt ? `last seen ${new Date(p.lastSeenAt).toLocaleTimeString()}` : "") : devices;
}

const logLines = 200;

function log(block, quiet) {
  const pre = $("log");
  const atEnd = pre.scrollHeight - pre.scrollTop - pre.clientHeight < 30;
  const entry = document.createElement("span");
  entry.textContent = block;
  if (quiet) entry.className = "quiet";
  pre.append(entry);
  while (pre.childElementCount > logLines) pre.firstElementChild.remove();
  if (atEnd) pre.scrollTop = pre.scrollHeight; // else somebody is reading
}
