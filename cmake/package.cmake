# A Debian package: `cpack` in the build directory. What `cmake --install` puts below
# its prefix, and beside it what package_files.cmake adds.
install(FILES packaging/milonga.toml DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES packaging/milongad.service packaging/milonga-rest.service DESTINATION lib/systemd/system)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME milonga)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "Milonga developers <milonga@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "sandboxed runner for course autograders")
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION education)
set(CPACK_DEBIAN_PACKAGE_HOMEPAGE "https://autolabproject.com")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "adduser, make")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
    "Runs what students hand in: each job in a fresh box with limits that are
enforced and proven, from a queue that loses nothing. It takes the place of
the back end of Tango, the autograder of Autolab.
.
In the package: autodriver (one job), milongad (the daemon), milonga-rest
(Tango's REST API) and milonga (the command for people).")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${CMAKE_SOURCE_DIR}/packaging/debian/conffiles
    ${CMAKE_SOURCE_DIR}/packaging/debian/postinst
    ${CMAKE_SOURCE_DIR}/packaging/debian/prerm
    ${CMAKE_SOURCE_DIR}/packaging/debian/postrm)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_SOURCE_DIR}/cmake/package_files.cmake)
set(CPACK_MILONGA_SOURCE ${CMAKE_SOURCE_DIR})
include(CPack)
