// Code that is wider than the page scrolls in its block; only then is it a stop for the keyboard.
const resized = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  }
});
document.querySelectorAll("pre").forEach((block, index) => {
  const kind = block.closest(".output") ? "Output" : "Code";
  block.setAttribute("role", "group");
  block.setAttribute("aria-label", `${kind}, block ${index + 1}`);
  resized.observe(block);
});
