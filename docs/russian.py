"""The Russian of every text that the code puts into the documentation, by its English.

A text that is not here fails `docs/generate.py`, which says what is missing. What the program itself says
(errors, notices, option values) stays English on every page, for that is what people will see.
"""

from collections.abc import Mapping

from plitka.colors.palette import PALETTE
from plitka.request.fields import MAX_COLORS, MAX_SEED, ColorEntry
from plitka.request.numbers import MAX_PROPORTION
from plitka.request.overrides import MAX_NEGATIVE_PROMPT, Overrides

TABLES: Mapping[str, str] = {
    # Not a word but a path: the Russian pages lie one folder deeper.
    "../references": "../../references",
    "swatch": "образец",
    "names": "названия",
    "mean sRGB": "средний sRGB",
    "lit sRGB": "освещённый sRGB",
    "mean Lab": "средний Lab",
    "L\\*, 5–95 %": "L\\*, 5–95 %",
    "name": "название",
    "colour": "цвет",
    "prompt word": "слово в промпте",
    "input": "поле",
    "type": "тип",
    "default": "по умолчанию",
    "meaning": "что значит",
    "metric": "метрика",
    "text": "текст",
    "option": "параметр",
    "One of": "Одно из:",
    "key": "ключ",
    "allowed": "что допустимо",
    "required": "обязателен",
    "none": "нет",
    "read as": "понято как",
    "written": "написано",
    "refused": "отказ",
    "what": "что",
    "at most": "не больше",
    "requested": "заказано",
    "measured": "измерено",
    "engine": "движок",
    "steps, preview": "шаги, предпросмотр",
    "steps, final": "шаги, итоговая",
    "guidance": "guidance",
    "LoRA": "LoRA",
    "laying angle": "угол укладки",
    "any other": "любой другой",
    "no ControlNet": "без ControlNet",
    "GPU": "видеокарта",
    "memory, GB": "память, ГБ",
    "TFLOP/s": "Тфлоп/с",
    "`standard`, s": "`standard`, с",
    "`standard` + ControlNet, s": "`standard` + ControlNet, с",
    "`high` + ControlNet, s": "`high` + ControlNet, с",
}

INPUTS: Mapping[str, str] = {
    'The whole request as JSON: {"colors": [{"name": "black", "proportion": 60}, ...]}': (
        'Весь запрос в виде JSON: {"colors": [{"name": "black", "proportion": 60}, ...]}'
    ),
    "Colours and shares; used while params_json is empty, as are the fields below": (
        "Цвета и доли; учитывается, пока params_json пуст, как и поля ниже"
    ),
    "Laying angle of the joints between tiles, degrees; 0 is one tile without joints": (
        "Угол швов между плитками, градусы; 0 — одна плитка без швов"
    ),
    "How many denoising steps the pictures get": "Сколько шагов шумоподавления получат картинки",
    "The same seed gives the same tile; -1 draws a new one": (
        "Одно и то же число даёт одну и ту же плитку; -1 — выбрать случайное"
    ),
}

METRICS: Mapping[str, str] = {
    "The request as it was understood, as JSON text that draws the same tile again.": (
        "Запрос, как он был понят: текст JSON, по которому получится та же плитка."
    ),
    "The seed that was used, as text: many JSON readers round whole numbers above 2^53.": (
        "Использованный seed, текстом: многие программы округляют в JSON целые числа больше 2^53."
    ),
    "The engine: render, mini or sdxl.": "Движок: render, mini или sdxl.",
    "What was normalised, merged or left at its default in the request, in words; an empty list if "
    "nothing was.": (
        "Что в запросе приведено к норме, объединено или оставлено по умолчанию, словами; пустой список, "
        "если ничего."
    ),
    "The pipeline that drew the pictures.": "Конвейер, который нарисовал картинки.",
    "The ControlNet that held the edges, or none.": "ControlNet, который держал контуры, или none.",
    "Why that ControlNet, or why none.": "Почему выбран этот ControlNet или почему никакой.",
    "Everything else that the engine reports of the preview.": (
        "Всё прочее, что движок сообщает о предпросмотре."
    ),
    "Everything else that the engine reports of the final picture.": "То же об итоговой картинке.",
    "Denoising steps that the preview took.": "Число шагов предпросмотра.",
    "Denoising steps that the final picture took.": "Число шагов итоговой картинки.",
    "Seconds to plan the tile, in a thread beside the first picture.": (
        "Секунды на план плитки, в потоке рядом с первой картинкой."
    ),
    '"auto" or "off", or "always" with color_guidance above 0': (
        '"auto" или "off"; "always" — при color_guidance больше 0'
    ),
    (
        "Whether a finished picture is corrected towards the plan's colours: where it "
        "misses them, never, or always; see [How the colours hold](color.md)."
    ): (
        "Исправлять ли готовую картинку по цветам плана: где она от них отошла, никогда или "
        "всегда; см. [Как держатся цвета](../color.md)."
    ),
    "Seconds for the preview: draw, measure (and correct) and encode, each on its own.": (
        "Секунды на предпросмотр: рисование, измерение (и исправление), запись, каждое отдельно."
    ),
    (
        "Requested and measured share, mean colour and its ΔE00 for every colour, preview: "
        "against the plan where it guided the picture, and in `outsider` against the mix "
        "alone."
    ): (
        "Запрошенная и измеренная доля, средний вид и его ΔE00 для каждого цвета "
        "предпросмотра: против плана, если он вёл картинку, и в `outsider` — против одной "
        "смеси."
    ),
    "The same as an outsider measures it, joints included.": (
        "То же, как это измерил бы посторонний, вместе со швами."
    ),
    (
        "Colour guidance, colour lock, whether the preview was corrected and why, and "
        "`before`: its measurement as drawn, null if it was not corrected."
    ): (
        "Colour guidance, color lock, исправлен ли предпросмотр и почему, и `before`: "
        "измерение до исправления; null, если его не было."
    ),
    "Shares and colours, guidance and correction, a JSON object; empty for the colour map.": (
        "Доли и цвета, guidance и исправление, объект JSON; у карты цветов пуст."
    ),
    "Seconds for the final picture, likewise.": "Секунды на итоговую картинку, так же.",
    "Seconds for the colour map, draw and encode, in the same thread.": (
        "Секунды на карту цветов, рисование и запись, в том же потоке."
    ),
    "Seconds from the request to the finished file of the preview.": (
        "Секунды от запроса до готового файла предпросмотра."
    ),
    "Seconds from the request to the last file, without the time its reader took.": (
        "Секунды от запроса до последнего файла, без времени того, кто файлы забирает."
    ),
    "Most video memory in use on the GPU, MiB; 0 without a GPU.": (
        "Наибольший расход видеопамяти на карте, МиБ; без видеокарты 0."
    ),
    "Most video memory that this process held through torch, MiB.": (
        "Наибольший расход видеопамяти этим процессом через torch, МиБ."
    ),
    "Most memory of this process, MiB.": "Наибольший расход памяти этим процессом, МиБ.",
    "Colour of the joints in the colour map, #RRGGBB: that of no colour of the mix.": (
        "Цвет швов на карте цветов, #RRGGBB: такого нет ни у одного цвета в смеси."
    ),
    "The same for the final picture.": "То же для итоговой картинки.",
    "Largest error of a colour's share in the final picture, percentage points.": (
        "Наибольшая ошибка доли цвета в итоговой картинке, процентные пункты."
    ),
}

PROVENANCE: Mapping[str, str] = {
    '"preview", "final" or "colormap".': '"preview", "final" или "colormap".',
    "The canonical request, JSON; `parse_request` reads it back exactly.": (
        "Запрос в каноническом виде, JSON; `parse_request` читает его без потерь."
    ),
    "The seed, as decimal digits.": "Seed десятичными цифрами.",
    "The prompt, also where the engine has no use for one.": ("Промпт — даже если движку он не нужен."),
    "The negative prompt, likewise.": "Негативный промпт, так же.",
    "The engine's name.": "Название движка.",
    "What made the picture (model ids, revisions, hashes), a JSON object.": (
        "Чем сделана картинка (модели, ревизии, хеши), объект JSON."
    ),
    "Versions of Plitka and of the packages that draw and write, a JSON object.": (
        "Версии Plitka и пакетов, которые рисуют и записывают, объект JSON."
    ),
}

COMMANDS: Mapping[str, str] = {
    "The whole request as JSON; @FILE reads a file, - standard input.": (
        "Весь запрос в виде JSON; @FILE читает файл, - стандартный ввод."
    ),
    "Colours and shares, such as '60% black, 40% white'.": ("Цвета и доли, например '60% black, 40% white'."),
    "Laying angle of the joints, degrees.": "Угол швов, градусы.",
    "preview, standard or high.": "preview, standard или high.",
    "0 to 2^63 - 1, or -1 to draw one.": "От 0 до 2^63 - 1; -1 — выбрать случайный.",
    "Default: PLITKA_ENGINE, else render.": "По умолчанию — PLITKA_ENGINE, иначе render.",
    "Make this picture again, to the byte, from its own metadata.": (
        "Сделать эту картинку заново, байт в байт, по её метаданным."
    ),
    "Folder, .tar or .zip with a LoRA and embeddings.": (
        "Папка, .tar или .zip с LoRA и её textual inversion."
    ),
    "Folder for the files, made where it is missing.": "Папка для файлов; если её нет, будет создана.",
    "Draw a tile: preview, final picture and colour map.": (
        "Нарисовать плитку: предпросмотр, итоговую картинку и карту цветов."
    ),
    "Pixels on a side.": "Сторона картинки в пикселях.",
    "Draw what stands before any model runs: colour map, swatch and control images.": (
        "Нарисовать то, что известно до работы модели: карту цветов, образец и контуры для ControlNet."
    ),
    "Draw the demonstration tiles and say how exact they are and where they lie.": (
        "Нарисовать плитки для показа и сказать, насколько точны цвета и где лежат картинки."
    ),
    "What draws: render needs no model.": "Чем рисовать: для render модель не нужна.",
    "How many; default: all.": "Сколько; по умолчанию все.",
    "Address to listen on; 0.0.0.0 for every one.": "Адрес сервера; 0.0.0.0 — все адреса.",
    "Port to listen on; PORT, if it is set.": "Порт сервера; PORT, если она задана.",
    "Refuse requests whose answer is to be sent elsewhere.": (
        "Отклонять запросы, ответ на которые надо отправить по другому адресу."
    ),
    "Threads for numeric libraries; default: theirs.": (
        "Число потоков для вычислительных библиотек; по умолчанию решают они сами."
    ),
    "Start the Cog HTTP server, the same that runs in the container, without Docker, and its web page.": (
        "Запустить HTTP-сервер Cog — тот же, что в контейнере, но без Docker — и его веб-страницу."
    ),
    "Change nothing; fail if the file is stale.": "Ничего не менять; завершиться ошибкой, если файл устарел.",
    "Write the OpenAPI schema of predict.py to where the server looks for it.": (
        "Записать схему OpenAPI для predict.py туда, где её ищет сервер."
    ),
    "Default: every engine that has weights.": "По умолчанию — все движки, у которых есть веса.",
    "Show where every weight file of an engine comes from and whether it is there.": (
        "Показать, откуда берётся каждый файл весов движка и на месте ли он."
    ),
    "Check every weight file by size and sha256; fail if one is missing or broken.": (
        "Сверить размер и sha256 каждого файла весов; завершиться ошибкой, если файла нет или он испорчен."
    ),
}

_NAMES = ", ".join(color.prompt_word for color in PALETTE.values())
REQUEST: Mapping[str, str] = {
    f'a list of 1 to {MAX_COLORS} objects such as {{"name": "black", "proportion": 60}}, '
    "their proportions not all 0": (
        f'список от 1 до {MAX_COLORS} объектов вида {{"name": "black", "proportion": 60}}, '
        "доли не все равны 0"
    ),
    "The mix. The prompt names the colours in this order.": ("Смесь. В промпте цвета идут в том же порядке."),
    "any finite number of degrees": "любое конечное число градусов",
    "Laying angle: how far the joints are turned in the picture, in degrees, anticlockwise. It is taken "
    "modulo 360, and joints turned by 180 are the same joints.": (
        "Угол укладки: насколько швы повёрнуты в плоскости картинки, в градусах, против часовой стрелки. "
        "Берётся по модулю 360, а швы, повёрнутые на 180, — те же самые швы."
    ),
    '"preview", "standard" or "high"': '"preview", "standard" или "high"',
    "How many denoising steps the pictures get; see Profiles.": (
        "Сколько шагов шумоподавления получат картинки; см. «Профили»."
    ),
    f"a whole number from 0 to {MAX_SEED}, or -1 to draw one": (
        f"целое число от 0 до {MAX_SEED} или -1, чтобы выбрать случайное"
    ),
    "The same seed gives the same tile. A drawn seed is reported.": (
        "Одно и то же число даёт одну и ту же плитку. Выбранное случайно сообщается в ответе."
    ),
    f"an object with any of the keys {', '.join(Overrides.model_fields)}": (
        f"объект с любыми из ключей {', '.join(Overrides.model_fields)}"
    ),
    "Settings that win over profile and defaults; see Overrides.": (
        "Настройки, которые важнее профиля и значений по умолчанию; см. «Настройки overrides»."
    ),
    ColorEntry.model_fields["name"].description or "": (
        f"код палитры, слово промпта или русское название одного из цветов: {_NAMES}"
    ),
    "The colour, by any of its [names](palette.md), in any case. The key may also be `color` or `colour`.": (
        "Цвет, по любому из его [названий](palette.md), регистр не важен. Ключ может быть и `color` "
        "или `colour`."
    ),
    "# and six hexadecimal digits, instead of a name": "# и шесть шестнадцатеричных цифр, вместо name",
    "A colour outside the palette. The prompt says the nearest palette colour; plan and measurement "
    "use the hex itself.": (
        "Цвет не из палитры. В промпт идёт ближайший цвет палитры, план и измерение берут сам hex."
    ),
    f"percent, or a fraction when all of them sum to 1: a number from 0 to {MAX_PROPORTION:.0f}; "
    "a single colour may go without": (
        f"проценты, а если сумма равна 1 — доли: число от 0 до {MAX_PROPORTION:.0f}; "
        "единственному цвету доля не нужна"
    ),
    "How much of it. Numeric strings are read too, with or without a percent sign. The key may also be "
    "`share`, or `percent` or `percentage`: under these two every amount is a percentage.": (
        "Сколько этого цвета. Можно и строкой, со знаком процента или без. Ключ может быть и `share`, а "
        "также `percent` или `percentage`: под этими двумя любое число — проценты."
    ),
}

OVERRIDES: Mapping[str, str] = {
    "true or false": "true или false",
    "by `angle` and `layout`": "по `angle` и `layout`",
    "Whether a ControlNet holds the edges; see Routing.": (
        "Держит ли контуры ControlNet; см. «Выбор ControlNet»."
    ),
    "a number from 1 to 20": "число от 1 до 20",
    "by `quality`": "по `quality`",
    "How closely the picture follows the prompt.": "Насколько строго картинка следует промпту.",
    "a whole number from 1 to 100": "целое число от 1 до 100",
    "Denoising steps of both pictures.": "Число шагов обеих картинок.",
    "Denoising steps of the preview alone.": "Число шагов только предпросмотра.",
    "Denoising steps of the final picture alone.": "Число шагов только итоговой картинки.",
    f"text of at most {MAX_NEGATIVE_PROMPT} characters, empty for none": (
        f"текст не длиннее {MAX_NEGATIVE_PROMPT} знаков, пустой — значит никакого"
    ),
    "see Prompt": "см. «Промпт»",
    "see Profiles": "см. «Профили»",
    "What the picture should not show.": "Чего на картинке быть не должно.",
    "a number from 0 to 2": "число от 0 до 2",
    "How strongly the LoRA acts.": "Насколько сильно действует LoRA.",
    "How strongly the ControlNet holds the edges.": "Насколько сильно ControlNet держит контуры.",
    "a number from 0 to 1": "число от 0 до 1",
    "How much of the plan's own picture the model starts from: 0 is pure noise, 1 leaves it one step.": (
        "Насколько модель отталкивается от картинки плана: 0 — чистый шум, 1 оставляет модели один шаг."
    ),
    '"surface", "grid" or "brick"': '"surface", "grid" или "brick"',
    "`surface` at 0°, else `brick`": "`surface` при 0°, иначе `brick`",
    "One tile without joints, a square grid, or a running bond.": (
        "Одна плитка без швов, прямая сетка или кладка вразбежку."
    ),
    '"png", "webp" or "jpg"': '"png", "webp" или "jpg"',
    "Format of preview and final picture; WebP is lossless. The colour map is always PNG.": (
        "Формат предпросмотра и итоговой картинки; WebP без потерь. Карта цветов всегда в PNG."
    ),
    '"dpmpp_2m_karras", "dpmpp_sde_karras", "ddim", "euler" or "euler_a"': (
        '"dpmpp_2m_karras", "dpmpp_sde_karras", "ddim", "euler" или "euler_a"'
    ),
    "The sampler.": "Сэмплер.",
}

EXAMPLES: Mapping[str, str] = {
    "Several things at once": "Сразу несколько ошибок",
    "Wrong types": "Не те типы",
    "The same key twice": "Один ключ дважды",
    "Not JSON": "Не JSON",
    "`params_json`, bytes of UTF-8": "`params_json`, байты UTF-8",
    "nesting of the JSON, levels": "вложенность JSON, уровни",
    "a request inside `params_json`, or JSON encoded again, times": (
        "запрос внутри `params_json` или JSON, закодированный повторно, разы"
    ),
    "`colors` as text, characters": "`colors` текстом, знаки",
    "colours of a mix": "цвета в смеси",
    "`negative_prompt`, characters": "`negative_prompt`, знаки",
    "prompt and negative prompt, CLIP tokens each, with `sdxl`": (
        "промпт и негативный промпт, токены CLIP в каждом, для `sdxl`"
    ),
    "One colour": "Один цвет",
    "One colour needs no share at all; 100 may be left out.": (
        "Единственному цвету доля не нужна: 100 можно не писать."
    ),
    "Two colours": "Два цвета",
    "At 0° the picture is one tile without joints.": "При 0° на картинке одна плитка, без швов.",
    "Three colours": "Три цвета",
    "The prompt of a diffusion model names the colours in this order.": (
        "В промпте диффузионной модели цвета идут в этом же порядке."
    ),
    "Four colours": "Четыре цвета",
    "Up to eight colours make a mix. `high` gives a diffusion model more steps; `render` has none.": (
        "В смеси может быть до восьми цветов. `high` даёт диффузионной модели больше шагов; "
        "у `render` шагов нет."
    ),
    "Shares as fractions": "Доли единицы",
    "Shares that sum to 1 are fractions, any others are per cent.": (
        "Если сумма равна 1, это доли единицы, в остальных случаях — проценты."
    ),
    "Laid at 45°, soft edges": "Укладка под 45°, softedge",
    "At any angle but 0 the tiles lie as bricks. At 45° and 135° soft edges hold a diffusion model.": (
        "При любом угле, кроме 0, плитки лежат вразбежку. При 45° и 135° диффузионную модель "
        "держат мягкие контуры."
    ),
    "Laid at 90°, canny": "Укладка под 90°, canny",
    "At 90° the edges that hold the model are canny's.": "При 90° модель держат контуры canny.",
    "Overrides, without ControlNet": "Настройки overrides, без ControlNet",
    "`use_controlnet` wins over the angle. Guidance and steps are for a diffusion model, and `render` "
    "draws the joints in any case.": (
        "`use_controlnet` важнее угла. Guidance и число шагов — для диффузионной модели, а "
        "`render` рисует швы в любом случае."
    ),
}

RUSSIAN: Mapping[str, str] = {
    **TABLES,
    **INPUTS,
    **METRICS,
    **PROVENANCE,
    **COMMANDS,
    **REQUEST,
    **OVERRIDES,
    **EXAMPLES,
}
