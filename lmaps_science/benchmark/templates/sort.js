"use strict";
// A click on a header sorts by its column: upwards, then downwards. Cells without a number stay last.
for (const table of document.querySelectorAll("table.sortable")) {
  const headers = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  headers.forEach((header, column) => {
    const text = (row) => row.cells[column].textContent.trim();
    const number = (row) => parseFloat(text(row));
    const byNumber = (sign) => (a, b) =>
      isNaN(number(a)) - isNaN(number(b)) || sign * (number(a) - number(b)) || 0;
    const byText = (sign) => (a, b) =>
      sign * text(a).localeCompare(text(b), undefined, { numeric: true });
    const by = header.classList.contains("number") ? byNumber : byText;
    header.firstElementChild.addEventListener("click", () => {
      const downwards = header.getAttribute("aria-sort") === "ascending";
      headers.forEach((other) => other.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", downwards ? "descending" : "ascending");
      body.append(...[...body.rows].sort(by(downwards ? -1 : 1)));
    });
  });
}
