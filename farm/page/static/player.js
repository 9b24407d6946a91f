// A take in the player: its stream while it is rendered, its master afterwards. Nothing is loaded before it is needed.
"use strict";

(() => {
  let shown = null; // address of what the player has
  let chosen = null; // number of the take
  let player = null; // of the stream; browsers that play streams themselves do without
  let isMended = false;
  let library = null;

  const element = (id) => document.getElementById(id);
  const takes = () => [...document.querySelectorAll("#watch-side [data-take]")];
  const isUnderWay = (video) => !video.paused || video.currentTime > 0;

  function tell(text) {
    const told = element("screen-told");
    if (told && told.textContent !== text) told.textContent = text;
  }

  function look() {
    const screen = element("screen");
    if (!screen) return;
    if (chosen === null) {
      chosen = screen.dataset.take;
      shown = element("video").getAttribute("src") ?? "";
    }
    const all = takes();
    const take = all.find((each) => each.dataset.take === chosen);
    if (!take) return;
    for (const each of all) if (each.type === "radio") each.checked = each === take;
    const wanted = wantedOf(take);
    if (wanted !== shown) show(take, wanted);
  }

  function wantedOf(take) {
    const { file, stream, pieces } = take.dataset;
    // Whoever has begun to watch the stream stays with it when the master comes.
    if (shown === stream && isUnderWay(element("video"))) return stream;
    return file || (Number(pieces) > 0 ? stream : "");
  }

  function show(take, wanted) {
    const video = element("video");
    player?.destroy();
    player = null;
    isMended = false;
    shown = wanted;
    video.hidden = wanted === "";
    element("screen-empty").hidden = wanted !== "";
    tell("");
    if (wanted === take.dataset.stream) {
      showStream(video, wanted);
    } else if (wanted) {
      video.src = wanted;
    } else {
      video.removeAttribute("src");
      video.load();
    }
  }

  function loaded() {
    library ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = element("screen").dataset.library;
      script.onload = () => resolve(window.Hls);
      script.onerror = () => {
        library = null;
        reject();
      };
      document.head.append(script);
    });
    return library;
  }

  async function showStream(video, address) {
    let Hls;
    try {
      Hls = await loaded();
    } catch {
      tell("The player could not be loaded. Trying again.");
      setTimeout(() => {
        if (shown !== address) return;
        shown = null;
        look();
      }, 3000);
      return;
    }
    if (shown !== address) return; // another take was chosen meanwhile
    tell("");
    if (!Hls.isSupported()) {
      video.src = address; // phones that play streams themselves
      return;
    }
    // No worker: it would be made of a text, which the page's policy does not allow.
    player = new Hls({ enableWorker: false, startPosition: 0, backBufferLength: 60 });
    player.on(Hls.Events.ERROR, (_, error) => failed(video, address, error));
    player.loadSource(address);
    player.attachMedia(video);
  }

  function failed(video, address, error) {
    if (!error.fatal || shown !== address) return;
    if (error.response?.code === 410) {
      tell("What was rendered is no longer in the farm's store.");
    } else if (error.type === "networkError") {
      tell("The farm does not answer. Trying again.");
      setTimeout(() => {
        if (shown !== address || !player) return;
        if (player.levels.length) player.startLoad(video.currentTime);
        else player.loadSource(address);
      }, 3000);
    } else if (error.type === "mediaError" && !isMended) {
      isMended = true;
      player.recoverMediaError();
    } else {
      tell("It cannot be played here. Its master can be downloaded once it is made.");
    }
  }

  // Events of media do not bubble; the player's element stays, whatever is put around it.
  const on = (name, act) =>
    document.addEventListener(name, (event) => event.target.id === "video" && act(event.target), true);

  // A page at rest asks for nothing: the first picture, and more once somebody wants it.
  on("loadeddata", (video) => video.paused && player?.stopLoad());
  on("seeked", (video) => video.paused && player?.stopLoad());
  on("pause", (video) => !video.seeking && player?.stopLoad());
  on("seeking", (video) => player?.startLoad(video.currentTime));
  on("play", (video) => player?.startLoad(video.currentTime));
  on("playing", () => tell(""));
  on("waiting", () => {
    const take = takes().find((each) => each.dataset.take === chosen);
    if (player && take?.dataset.ended === "no") tell("You have seen all there is. It goes on with the next segment.");
  });

  document.addEventListener("change", (event) => {
    if (event.target.name !== "watched-take") return;
    chosen = event.target.value;
    look();
  });
  document.addEventListener("htmx:after:swap", look);
  look();
})();
