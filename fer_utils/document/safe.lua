-- Somebody else's notebook must neither run scripts nor read files: raw HTML and Typst are dropped, links lead to the
-- web, to an address or to a place nearby, and pictures are those that the exporter laid beside the text.
function RawBlock() return {} end
function RawInline() return {} end

function Link(link)
  local scheme = link.target:match("^%s*(%a[%w+.-]*):")
  if scheme and not (scheme:lower() == "http" or scheme:lower() == "https" or scheme:lower() == "mailto") then
    return link.content
  end
end

function Image(image)
  if image.src:find("[/\\:]") then return image.caption end
end
