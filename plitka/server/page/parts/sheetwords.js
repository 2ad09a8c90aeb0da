// What the page says about the sheet; what the sheet itself says comes from the code that makes the PDF.

Object.assign(TEXT.en, {
  sheet: "Sheet for the customer…",
  sheetTitle: "Sheet for the customer",
  sheetNote: "One A4 page: picture with scale, colours, shares, date, and your logo and text.",
  sheetText: "Your text (name, telephone, price)",
  sheetLogo: "Your logo: PNG or JPEG, 1 MB at most",
  sheetNoLogo: "Without logo",
  sheetPdf: "Save as PDF",
  sheetPrint: "Print",
  sheetMaking: "The server is making the sheet.",
  sheetSaved: "Saved as {file}.",
  sheetBadLogo: "“{name}” is no PNG or JPEG picture of 1 MB at most. The logo stays as it was.",
  sheetNotHere: "This server makes no sheets. Print one: the printing dialogue can save it as PDF.",
  sheetPrinted: "Picture of the tile",
});
Object.assign(TEXT.ru, {
  sheet: "Лист для клиента…",
  sheetTitle: "Лист для клиента",
  sheetNote: "Одна страница A4: картинка с масштабом, цвета, доли, дата, ваш логотип и текст.",
  sheetText: "Ваш текст (название, телефон, цена)",
  sheetLogo: "Ваш логотип: PNG или JPEG, не больше 1 МБ",
  sheetNoLogo: "Без логотипа",
  sheetPdf: "Сохранить в PDF",
  sheetPrint: "Напечатать",
  sheetMaking: "Сервер готовит лист.",
  sheetSaved: "Сохранено как {file}.",
  sheetBadLogo: "«{name}» — не картинка PNG или JPEG размером до 1 МБ. Логотип остаётся прежним.",
  sheetNotHere: "Этот сервер не делает листов. Напечатайте лист: в окне печати его можно сохранить в PDF.",
  sheetPrinted: "Картинка плитки",
});
