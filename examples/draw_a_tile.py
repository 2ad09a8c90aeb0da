"""Draw one tile: preview, final picture and colour map, in out/tile."""

import plitka

colors = [{"name": "black", "proportion": 60}, {"name": "white", "proportion": 40}]
request = plitka.parse_request({"colors": colors, "angle": 45, "seed": 7})
engine = plitka.load_engine("render")
for result in plitka.generate(request, engine):
    print(result.save("out/tile"))
    for color in result.fidelity.colors if result.fidelity else ():
        print(f"  {color.id}: {color.requested:.1%} requested, {color.measured:.1%} measured")
