// What HTML alone cannot do: times in the viewer's zone, a lost connection, questions before what cannot be undone.
"use strict";

(() => {
  const SILENCE_MS = 13000; // a stream says something at least every four seconds

  // Times --------------------------------------------------------------------------------------------------------

  const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
  const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
  const ago = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "short" });

  function words(at, now) {
    const seconds = (now - at) / 1000;
    if (seconds < 45) return "just now";
    if (seconds < 3600) return ago.format(-Math.round(seconds / 60), "minute");
    if (at.toDateString() === now.toDateString()) return clock.format(at);
    return `${day.format(at)}, ${clock.format(at)}`;
  }

  function showTimes() {
    const now = new Date();
    for (const element of document.querySelectorAll("time[datetime]")) {
      const at = new Date(element.dateTime);
      const text = element.hasAttribute("data-exact") ? exact.format(at) : words(at, now);
      if (element.textContent !== text) element.textContent = text;
      if (element.title !== exact.format(at)) element.title = exact.format(at);
    }
  }

  // The connection -----------------------------------------------------------------------------------------------

  const banner = document.getElementById("connection");
  let heard = Date.now();
  let stream = null;

  function lost(isLost) {
    if (banner && banner.hidden === isLost) banner.hidden = !isLost;
  }

  document.addEventListener("htmx:sse:after:connection", (event) => {
    stream = event.detail.connection;
    heard = Date.now();
    lost(false);
  });
  document.addEventListener("htmx:sse:error", (event) => {
    if (event.detail.status === 401) location.assign("/login");
    lost(true);
  });
  document.addEventListener("beat", () => {
    heard = Date.now();
    lost(false);
  });
  document.addEventListener("gone", () => location.reload());
  window.addEventListener("offline", () => lost(true));
  let isBeginning = false;
  function beginAgain(event) {
    // The stream could not even begin: it is begun again, and the page stays as it is.
    const element = event.target;
    if (!(element instanceof Element) || !element.hasAttribute("hx-sse:connect") || isBeginning) return;
    isBeginning = true;
    lost(true);
    setTimeout(() => {
      isBeginning = false;
      window.htmx.ajax("GET", element.getAttribute("hx-sse:connect"), { source: element });
    }, 3000);
  }
  document.addEventListener("htmx:error", beginAgain);
  document.addEventListener("htmx:response:error", beginAgain);
  setInterval(() => {
    showTimes();
    if (!stream || document.hidden) {
      heard = Date.now();
    } else if (Date.now() - heard > SILENCE_MS) {
      // A cable that was pulled says nothing: the stream is given up, and htmx makes another.
      heard = Date.now();
      lost(true);
      stream.reader?.cancel();
      stream.abortController?.abort();
    }
  }, 2000);

  // Forms --------------------------------------------------------------------------------------------------------

  const asked = document.getElementById("asked");
  let allowed = null;

  document.addEventListener(
    "submit",
    (event) => {
      const button = event.submitter;
      const question = button?.dataset.asks;
      if (!question || allowed === button || !asked) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      document.getElementById("asked-what").textContent = question;
      asked.returnValue = "no";
      asked.showModal();
      asked.onclose = () => {
        if (asked.returnValue !== "yes") return;
        allowed = button;
        button.form.requestSubmit(button);
        allowed = null;
      };
    },
    true,
  );

  document.addEventListener("change", (event) => {
    const element = event.target;
    if (element.matches("[data-uploads]")) upload(element);
    if (element.matches("[data-sends]")) element.form.requestSubmit();
    if (element.matches("[data-ticks]")) {
      for (const box of element.form.querySelectorAll(`input[name="${element.dataset.ticks}"]`)) {
        box.checked = element.checked;
      }
    }
  });

  // A recording on its way up ------------------------------------------------------------------------------------

  const size = new Intl.NumberFormat(undefined, { style: "unit", unit: "megabyte", maximumFractionDigits: 1 });

  function upload(picker) {
    const file = picker.files[0];
    const field = document.getElementById(picker.dataset.uploads);
    const progress = document.getElementById(`${picker.dataset.told}-progress`);
    const state = document.getElementById(`${picker.dataset.told}-state`);
    const send = field.form.querySelector(".send button");
    const name = "names" in picker.dataset ? field.form.elements["metadata.name"] : null;
    if (!file) return;
    const told = (text, isBad) => {
      state.textContent = text;
      state.classList.toggle("mistake", isBad);
      progress.hidden = true;
      send.disabled = false;
    };
    const request = new XMLHttpRequest();
    request.open("POST", "/uploads");
    request.setRequestHeader("X-Form-Token", picker.dataset.token);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.responseType = "json";
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) progress.value = event.loaded / event.total;
    };
    request.onerror = () => told("The connection was lost. Choose the file again.", true);
    request.onload = () => {
      const answer = request.response;
      if (request.status >= 300) {
        told(answer?.message ? `It was not taken: ${answer.message}.` : "It was not taken. Log in again.", true);
        return;
      }
      field.value = answer.uri;
      told(`${file.name}, ${size.format(file.size / 1e6)}, is uploaded.`, false);
      if (name && !name.value) {
        name.value = file.name.replace(/\.[^.]*$/, "").replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^[^A-Za-z0-9]+|[.-]+$/g, "").slice(0, 63);
      }
    };
    progress.hidden = false;
    progress.value = 0;
    send.disabled = true;
    state.classList.remove("mistake");
    state.textContent = `${file.name} is being uploaded.`;
    request.send(file);
  }

  document.addEventListener("input", (event) => {
    if (event.target.matches("[data-shows]")) {
      document.querySelector(`output[for="${event.target.id}"]`).textContent = event.target.value;
    }
  });
  document.addEventListener("focusin", (event) => {
    if (event.target.matches("[data-selects]")) event.target.select();
  });
  document.getElementById("mistakes")?.focus();

  // Segments -----------------------------------------------------------------------------------------------------

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a.cell, a.cell-link");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || !document.getElementById("segment")) return;
    event.preventDefault();
    const address = new URL(link.href);
    window.htmx.ajax("GET", address.pathname, { target: "#segment", swap: "innerHTML" }).then(() => {
      history.replaceState(null, "", address.pathname);
      document.getElementById("segment").scrollIntoView({ block: "nearest" });
      document.getElementById("segment-title")?.focus({ preventScroll: true });
    });
  });

  document.addEventListener("keydown", (event) => {
    const cell = event.target.closest?.("a.cell");
    if (!cell) return;
    const cells = [...cell.parentElement.querySelectorAll("a.cell")];
    const here = cells.indexOf(cell);
    const row = cells.findIndex((other) => other.offsetTop !== cells[0].offsetTop);
    const columns = row === -1 ? cells.length : row;
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -here, End: cells.length - 1 - here };
    const next = event.key in steps && cells[here + steps[event.key]];
    if (!next) return;
    event.preventDefault();
    cell.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });

  document.addEventListener("htmx:after:swap", showTimes);
  showTimes();
})();
