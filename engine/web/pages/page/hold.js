// When a list must keep still: paused, scrolled, pointed at, in the keyboard's focus, or under a finger.
const LINGER_MS = 1_500; // after the finger was lifted: it may come back

export class Hold {
  constructor(list) {
    this.list = list;
    this.paused = false;
    this.pointed = false;
    this.fingers = 0;
    this.touchedUntil = 0;
    const quiet = { passive: true };
    list.addEventListener("pointerenter", (event) => { this.pointed = event.pointerType !== "touch"; });
    list.addEventListener("pointerleave", () => { this.pointed = false; });
    list.addEventListener("touchstart", (event) => { this.fingers = event.touches.length; }, quiet);
    for (const end of ["touchend", "touchcancel"]) list.addEventListener(end, (event) => this.lifted(event), quiet);
  }

  lifted(event) {
    this.fingers = event.touches.length;
    this.touchedUntil = Date.now() + LINGER_MS;
  }

  // Why it is held, in words; empty when it is not.
  reason() {
    if (this.paused) return "paused";
    if (this.list.scrollTop > 0) return "held while scrolled";
    if (this.fingers || Date.now() < this.touchedUntil) return "held while touched";
    if (this.pointed) return "held while pointed at";
    if (this.list.querySelector(":focus-visible")) return "held while in focus";
    return "";
  }
}
