# The library (shared, and static if asked) from one set of objects, and the command.
file(GLOB_RECURSE GEMEL_SOURCES CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/*.c)
list(FILTER GEMEL_SOURCES EXCLUDE REGEX "/src/all\\.c$")
if(GEMEL_AMALGAMATION)
  set(GEMEL_SOURCES ${CMAKE_SOURCE_DIR}/src/all.c)
endif()

if(GEMEL_FUZZ) # the targets are readers; instrumented kernels take minutes to compile
  file(GLOB kernels ${CMAKE_SOURCE_DIR}/src/kernels/*.c)
  set_source_files_properties(${kernels} PROPERTIES COMPILE_OPTIONS -fno-sanitize=all)
endif()

# What is no kernel waits for memory, not for arithmetic: smaller code is better there. In the upper rooms, whose work is
# done by the lower ones, the smallest.
if(CMAKE_C_FLAGS_RELEASE STREQUAL GEMEL_RELEASE_FLAGS)
  set(others ${GEMEL_SOURCES})
  list(FILTER others EXCLUDE REGEX "/src/(kernels/|all\\.c$)")
  set_property(SOURCE ${others} APPEND PROPERTY COMPILE_OPTIONS $<$<CONFIG:Release>:-O2>)
  list(FILTER others INCLUDE REGEX "/src/(graph|compile|device|nn|train|watch|formats|zoo)/")
  list(FILTER others EXCLUDE REGEX "/compile/(frame|program|jit)\\.c$") # every call goes through these
  set_property(SOURCE ${others} APPEND PROPERTY COMPILE_OPTIONS $<$<CONFIG:Release>:-Os>)
endif()

add_library(gemel_objects OBJECT ${GEMEL_SOURCES})
set_target_properties(gemel_objects PROPERTIES POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
target_include_directories(gemel_objects PUBLIC include PRIVATE src)
target_compile_definitions(gemel_objects PRIVATE GM_BUILDING ${GEMEL_DEFINITIONS})
target_link_libraries(gemel_objects PUBLIC ${GEMEL_LIBRARIES})
gemel_compile(gemel_objects)

function(gemel_interface target)
  target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include>
                                              $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(${target} PRIVATE ${GEMEL_LIBRARIES})
endfunction()

add_library(gemel SHARED $<TARGET_OBJECTS:gemel_objects>)
gemel_interface(gemel)
set_target_properties(gemel PROPERTIES SOVERSION ${PROJECT_VERSION_MAJOR} VERSION ${PROJECT_VERSION}
                                       LINK_DEPENDS ${CMAKE_SOURCE_DIR}/cmake/gemel.map)
if(UNIX AND NOT APPLE)
  target_link_options(gemel PRIVATE -Wl,-Bsymbolic-functions -Wl,--version-script=${CMAKE_SOURCE_DIR}/cmake/gemel.map)
  if(NOT GEMEL_SANITIZE)
    target_link_options(gemel PRIVATE -Wl,--no-undefined)
  endif()
endif()

if(GEMEL_STATIC)
  add_library(gemel_static STATIC $<TARGET_OBJECTS:gemel_objects>)
  gemel_interface(gemel_static)
  set_target_properties(gemel_static PROPERTIES OUTPUT_NAME gemel EXPORT_NAME gemel-static)
endif()

# The command uses the public headers only, as a user's program would. Installed, it finds the library beside itself.
file(GLOB GEMEL_COMMAND_SOURCES CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tools/gemel/*.c)
if(GEMEL_COMMAND AND GEMEL_COMMAND_SOURCES)
  add_executable(gemel_command ${GEMEL_COMMAND_SOURCES})
  gemel_compile(gemel_command)
  target_link_libraries(gemel_command PRIVATE gemel m)
  set_target_properties(gemel_command PROPERTIES OUTPUT_NAME gemel
                                                 INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
endif()
