// Kilograms and bags of a mix, for an area of a thickness: the arithmetic of plitka/order/amounts.py, step by step, so
// that both give the same grams.

// `colors` are { id, share in per cent }, `asked` { area, thickness, waste, binder }, all of them numbers in range.
function orderOf(colors, asked) {
  const shared = visibleShares(colors);
  const goods = shared.map(({ id }) => goodsOf(id));
  const weights = shared.map(({ share }, i) => wholeOf(share * ORDER.shareParts) * gramsOf(goods[i].density));
  const weight = sum(weights);
  const room = sum(weights.map((part, i) => part / goods[i].laid));
  const laid = ((asked.area * asked.thickness) / 1000) * (weight / room);
  const grams = gramsOf(laid * (1 + asked.waste / 100));
  const parts = dividedExactly(grams, weights);
  const lines = shared.map(({ id, share }, i) => {
    const bags = Number((BigInt(parts[i]) + BigInt(gramsOf(goods[i].bag)) - 1n) / BigInt(gramsOf(goods[i].bag)));
    return { id, share, massShare: weights[i] / weight, goods: goods[i], grams: parts[i], bags, price: priceOf(bags, goods[i]), litres: goods[i].bulk ? parts[i] / goods[i].bulk : null };
  });
  const isPriced = lines.every((line) => line.price !== null);
  return {
    ...asked, lines, grams, binderGrams: wholeOf((grams * asked.binder) / 100), bags: sum(lines.map((line) => line.bags)),
    price: isPriced ? wholeOf(sum(lines.map((line) => line.price)) * 100) / 100 : null,
  };
}

// Shares as the server has them: too little to be seen is left out, and the sum is 1.
function visibleShares(colors) {
  const total = sum(colors.map((color) => color.share));
  const visible = colors.filter((color) => color.share / total >= ORDER.leastShare);
  const seen = sum(visible.map((color) => color.share));
  const whole = Math.abs(seen / 100 - 1) <= ORDER.rounding ? 100 : seen;
  return visible.map(({ id, share }) => ({ id, share: share / whole }));
}

// What a palette does not say of a colour is as usual; a heavier rubber weighs more in a layer.
function goodsOf(id) {
  const own = (BY_CODE.get(id) || {}).goods || {};
  const density = own.density || ORDER.density;
  return {
    density, laid: own.laid || (ORDER.laid * density) / ORDER.density, bag: own.bag || ORDER.bag,
    bulk: own.bulk || null, price: own.price ?? null, currency: own.currency || "",
  };
}

// Bags are sold whole.
function priceOf(bags, goods) {
  return goods.price === null ? null : wholeOf((bags * gramsOf(goods.bag) * goods.price) / 10) / 100;
}

// A whole number divided in proportion to weights by largest remainder; the products go beyond exact numbers.
function dividedExactly(total, weights) {
  const whole = weights.reduce((all, weight) => all + BigInt(weight), 0n);
  const products = weights.map((weight) => BigInt(total) * BigInt(weight));
  const parts = products.map((product) => Number(product / whole));
  const rest = (i) => products[i] % whole;
  const byRemainder = parts.map((part, i) => i).sort((a, b) => (rest(a) === rest(b) ? a - b : rest(a) > rest(b) ? -1 : 1));
  for (const i of byRemainder.slice(0, total - sum(parts))) parts[i] += 1;
  return parts;
}

function gramsOf(kilograms) {
  return wholeOf(kilograms * 1000);
}

function wholeOf(value) {
  return Math.floor(value + 0.5);
}
