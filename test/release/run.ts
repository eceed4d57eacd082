import { execFile } from "node:child_process"

/** Runs a command in a folder and gives what it printed; throws it, if the command fails. */
export const run = (folder: string, command: string, ...args: ReadonlyArray<string>): Promise<string> =>
  new Promise((resolve, reject) => {
    execFile(command, args, { cwd: folder, maxBuffer: 1e8 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else reject(new Error(`${command} ${args.join(" ")}\n${stdout}${stderr}`))
    })
  })
