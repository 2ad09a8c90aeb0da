// Numbers as people type and read them: with a point or a comma, in either language.

// The number that a text means; NaN if it means none. Spaces, a per cent or a degree sign around it are no matter.
function typedNumber(words) {
  const plain = words.replace(/[\s\u00a0\u202f]|[%°]$/g, "").replace("−", "-").replace(",", ".");
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain) && Number.isFinite(Number(plain)) ? Number(plain) : NaN;
}

// A number as it stands in a field, in the language of the page.
function fieldText(value) {
  return language === "ru" ? String(value).replace(".", ",") : String(value);
}

// A field for a number. `take` gets every number as it is typed and says whether it can be had; what is left in the
// field that cannot is given to `refuse`, after the number from before the edit. The text of a number is never touched.
function listenToNumber(field, take, refuse) {
  let before = NaN;
  field.addEventListener("focus", () => { before = typedNumber(field.value); });
  const isTaken = () => {
    const value = typedNumber(field.value);
    const taken = !Number.isNaN(value) && take(value);
    if (taken) field.removeAttribute("aria-invalid");
    return taken;
  };
  field.addEventListener("input", isTaken);
  field.addEventListener("change", () => {
    const words = field.value;
    // By then a button may have taken the field away or filled it anew.
    afterPress(() => {
      if (!field.isConnected || field.value !== words || isTaken()) return;
      if (!Number.isNaN(before)) take(before);
      refuse(words);
    });
    afterPress(endOfEdit);
  });
}

// A click goes where its button is when it is pressed: nothing that may move the page happens between press and release.
const pointer = { isDown: false, waiting: [] };

function afterPress(work) {
  if (pointer.isDown) pointer.waiting.push(work);
  else work();
}

function watchPresses() {
  const release = () => setTimeout(() => {
    pointer.isDown = false;
    for (const work of pointer.waiting.splice(0)) work();
  });
  addEventListener("pointerdown", () => { pointer.isDown = true; }, true);
  for (const name of ["pointerup", "pointercancel", "dragend"]) addEventListener(name, release, true);
}
