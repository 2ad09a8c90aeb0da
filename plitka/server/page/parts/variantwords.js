// What the page says about variants and the scale bar.

Object.assign(TEXT.en, {
  variants: "Variants",
  variantsHelp: "Several pictures of the same mix to choose from: in each one the granules lie differently.",
  badVariants: "Give a whole number from {least} to {most}.",
  tooFewSeeds: "With this seed, at most {most}.",
  variantsWrong: "So many variants cannot be drawn. What is allowed stands beside the field.",
  allowedVariants: "a whole number from {least} to {most}",
  variantsDrawn: "Variants to choose from",
  variantLabel: "Variant {number} of {count}",
  variantShort: "variant {number}",
  variantShown: "Variant {number} of {count}.",
  variantTitle: "Final picture, variant {number} of {count}",
  variantOfFirst: "Preview, colour map and maps are of variant 1.",
  stage_finalOf: "Drawing final {number} of {count}",
  scaleBar: "Scale bar: a ruler in a corner of the picture",
});
Object.assign(TEXT.ru, {
  variants: "Варианты",
  variantsHelp: "Несколько картинок одной и той же смеси на выбор: в каждой гранулы лежат по-своему.",
  badVariants: "Введите целое число от {least} до {most}.",
  tooFewSeeds: "С этим seed — не больше {most}.",
  variantsWrong: "Столько вариантов нарисовать нельзя. Сколько можно, сказано рядом с полем.",
  allowedVariants: "целое число от {least} до {most}",
  variantsDrawn: "Варианты на выбор",
  variantLabel: "Вариант {number} из {count}",
  variantShort: "вариант {number}",
  variantShown: "Вариант {number} из {count}.",
  variantTitle: "Итоговая картинка, вариант {number} из {count}",
  variantOfFirst: "Предпросмотр, карта цветов и карты — от варианта 1.",
  stage_finalOf: "Рисуется итоговая {number} из {count}",
  scaleBar: "Масштабная линейка в углу картинки",
});
