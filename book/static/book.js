// What is wider than the page scrolls inside itself: let the keyboard reach it, and say what it is.
function reach() {
  for (const box of document.querySelectorAll("pre, .table-wrapper, div.math, .equations")) {
    if (box.scrollWidth > box.clientWidth) {
      box.tabIndex = 0;
      if (!box.hasAttribute("role")) {
        box.setAttribute("role", "region");
        box.setAttribute("aria-label", "scrolls sideways");
      }
    } else {
      box.removeAttribute("tabindex");
    }
  }
}

window.addEventListener("load", reach);
window.addEventListener("resize", reach);
document.addEventListener("toggle", reach, true); // what a tap opens
