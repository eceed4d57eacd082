/** What has changed, file by file, and what to do about it; nothing where nothing has. */
export const compare = (
  committed: Readonly<Record<string, string>>,
  made: Readonly<Record<string, string>>
): string | undefined => {
  const only = (a: string | undefined, b: string | undefined, sign: string) => {
    const others = new Set(b?.split("\n"))
    return (a?.split("\n") ?? []).filter((line) => !others.has(line)).map((line) => `  ${sign} ${line}`)
  }
  const files = [...new Set([...Object.keys(committed), ...Object.keys(made)])].sort()
    .filter((file) => committed[file] !== made[file])
    .map((file) => {
      const lines = [...only(committed[file], made[file], "-"), ...only(made[file], committed[file], "+")]
      return [`api/${file}`, ...lines.slice(0, 20), ...(lines.length > 20 ? ["  …"] : [])].join("\n")
    })
  return files.length === 0
    ? undefined
    : [
      ...files,
      "The public surface is not what api/ says: `npm run api` writes it; commit the change with its reason."
    ]
      .join("\n\n")
}
