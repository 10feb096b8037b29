// What a job in a container leaves, removed with the job's own rights: nothing
// that it arranged can make this remove what it could not have removed itself.
//
// Sources: kill(2), rename(2), shmctl(2), semctl(2), msgctl(2).
// Privilege: job.
#pragma once

namespace milonga::core {

// Kills all other processes of our uid at once: none can fork before it dies,
// since the kernel holds the task list for the whole of kill(-1).
void kill_all_others();

// Removes our files from the places that all may write to, and our IPC objects.
// Nothing of our uid may run meanwhile.
void remove_leftovers();

}  // namespace milonga::core
