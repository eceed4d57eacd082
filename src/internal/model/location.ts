/** Whether bytes can be sent there, on every HTTP layer: fetch takes no URL with a name or a password in it. */
export const isLocation = (text: string): boolean => {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return false
  const { password, username } = new URL(text)
  return username === "" && password === ""
}
