// What the page says about the prompt.

Object.assign(TEXT.en, {
  template: "Wording of the prompt (prompt_template)",
  ownWords: "Words added to it (prompt)",
  ownWordsNote: "In English, for the diffusion engines. Words may have weights, (wet:1.3), (glossy)- or shiny++; write \\( for a bracket that is text. With the wording and the mix they may have 300 tokens; the server counts them.",
  allowedWords: "text of at most {most} characters",
});

Object.assign(TEXT.ru, {
  template: "Формулировка промпта (prompt_template)",
  ownWords: "Слова, добавленные к ней (prompt)",
  ownWordsNote: "По-английски, для диффузионных движков. У слов могут быть веса: (wet:1.3), (glossy)- или shiny++; скобка как текст пишется \\(. Вместе с формулировкой и смесью — не больше 300 токенов, сервер их считает.",
  allowedWords: "текст не длиннее {most} знаков",
});
