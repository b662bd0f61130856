// Formulas as GitHub writes them (```math blocks, and $`...`$ in a line) as MathJax reads them.
for (const block of document.querySelectorAll("code.language-math")) {
  const formula = document.createElement("p");
  formula.textContent = `\\[${block.textContent}\\]`;
  (block.closest("pre") ?? block).replaceWith(formula);
}
for (const code of document.querySelectorAll("code:not([class])")) {
  const [before, after] = [code.previousSibling, code.nextSibling];
  if (before?.nodeValue?.endsWith("$") && after?.nodeValue?.startsWith("$")) {
    before.nodeValue = before.nodeValue.slice(0, -1);
    after.nodeValue = after.nodeValue.slice(1);
    code.replaceWith(document.createTextNode(`\\(${code.textContent}\\)`));
  }
}
