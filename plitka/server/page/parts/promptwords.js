// What the page says about the prompt.

Object.assign(TEXT.en, {
  template: "Wording of the prompt (prompt_template)",
  ownWords: "Words added to it (prompt)",
  ownWordsNote: "In English, for the diffusion engines. With the wording and the mix they may have 77 tokens; the server counts them and says how many are too many.",
  allowedWords: "text of at most {most} characters",
});

Object.assign(TEXT.ru, {
  template: "Формулировка промпта (prompt_template)",
  ownWords: "Слова, добавленные к ней (prompt)",
  ownWordsNote: "По-английски, для диффузионных движков. Вместе с формулировкой и смесью — не больше 77 токенов: сервер считает их и говорит, сколько лишних.",
  allowedWords: "текст не длиннее {most} знаков",
});
