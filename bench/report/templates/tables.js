// Tables that sort by a click on a heading, and filters above them.

// Rows without a figure come last in either direction; equal rows keep the study's order.
function compareRows(column, sign) {
  const key = (row) => {
    const cell = row.cells[column];
    if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
    return cell.classList.contains("number") || cell.textContent.trim() === "–" ? null : cell.textContent.trim();
  };
  return (one, other) => {
    const [a, b] = [key(one), key(other)];
    if (a === null || b === null) return (a === null) - (b === null);
    const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
    return sign * order;
  };
}

function makeSortable(table) {
  const body = table.tBodies[0];
  const study = [...body.rows];
  const headings = [...table.tHead.rows[0].cells].filter((heading) => !("unsorted" in heading.dataset));
  for (const heading of headings) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    heading.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      // A figure's first click shows the largest, a text's the first of the alphabet; the third the study's order.
      const [first, second] = heading.classList.contains("number") ? ["descending", "ascending"] : ["ascending", "descending"];
      const now = heading.getAttribute("aria-sort");
      const next = now === "none" ? first : now === first ? second : "none";
      for (const other of headings) other.setAttribute("aria-sort", "none");
      heading.setAttribute("aria-sort", next);
      const rows = [...study];
      if (next !== "none") rows.sort(compareRows(heading.cellIndex, next === "ascending" ? 1 : -1));
      body.append(...rows);
    });
  }
}

function makeFilter(tools) {
  const rows = [...byId(tools.dataset.for).tBodies[0].rows];
  const input = tools.querySelector("input");
  const select = tools.querySelector("select");
  const apply = () => {
    const words = input.value.toLowerCase().split(/\s+/);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      const chosen = !select?.value || row.querySelector("[data-filter]")?.dataset.filter === select.value;
      row.hidden = !(chosen && words.every((word) => text.includes(word)));
      shown += !row.hidden;
    }
    tools.querySelector(".shown").textContent = shown === rows.length ? `${shown} rows` : `${shown} of ${rows.length} rows`;
  };
  input.addEventListener("input", apply);
  select?.addEventListener("change", apply);
  tools.hidden = false;
}

document.querySelectorAll("table.sortable").forEach(makeSortable);
document.querySelectorAll(".tools").forEach(makeFilter);
