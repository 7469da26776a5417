# The sources that an untenanted deployment of $project to $environment touches.
def slug: if type == "string" then gsub("^\\s+|\\s+$"; "") | ascii_downcase | select(. != "") else empty end;
[ .items[]
  | select(.kind == "Application") as $app
  | (if (.spec.sources // []) != [] then .spec.sources else [.spec.source // empty] end) as $sources
  | range($sources | length) as $index
  | (($sources[$index].name // "") | gsub("^\\s+|\\s+$"; "")) as $name
  | select($name != "" or ($sources | length) == 1)
  | (if $name == "" then "" else "." + $name end) as $suffix
  | ($app.metadata.annotations // {}) as $annotations
  | def value($what): $annotations["argo.octopus.com/" + $what + $suffix];
    select([value("project") | slug] == [$project | slug])
  | select([value("environment") | slug] == [$environment | slug])
  | select([value("tenant") | slug] == [])
  | [$app.metadata.namespace, $app.metadata.name, $index]
]
