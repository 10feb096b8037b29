# What Debian wants beside the installed files (policy 12.1, 12.5, 12.7), and the
# core's mode, which is set when the package is configured. Run by cpack over the
# files that are about to be packed.
set(root ${CPACK_TEMPORARY_DIRECTORY})
set(doc ${root}/usr/share/doc/milonga)
set(source ${CPACK_MILONGA_SOURCE}/packaging/debian)

file(MAKE_DIRECTORY ${root}/etc/milonga ${root}/lib/systemd)
file(RENAME ${doc}/milonga.toml ${root}/etc/milonga/milonga.toml)
file(RENAME ${root}/usr/lib/systemd/system ${root}/lib/systemd/system)
file(REMOVE_RECURSE ${root}/usr/lib/systemd)

file(CHMOD ${root}/usr/libexec/milonga/autodriver-core
  PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
file(MAKE_DIRECTORY ${doc} ${root}/usr/share/lintian/overrides)
file(COPY_FILE ${source}/copyright ${doc}/copyright)
file(COPY_FILE ${source}/lintian-overrides ${root}/usr/share/lintian/overrides/milonga)
file(COPY_FILE ${source}/changelog ${doc}/changelog)
file(COPY_FILE ${CPACK_MILONGA_SOURCE}/CHANGELOG.md ${doc}/CHANGELOG.md)
file(GLOB_RECURSE text ${root}/usr/share/man/*.[1-9] ${doc}/changelog ${doc}/CHANGELOG.md)
execute_process(COMMAND gzip -9nf ${text} COMMAND_ERROR_IS_FATAL ANY)
