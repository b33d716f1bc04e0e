# Optional libraries: each is found or left out, and what is left out says so by name when it is asked for.
# GEMEL_LIBRARIES is what the library links with, GEMEL_DEFINITIONS says what is in.
find_package(Threads REQUIRED)
set(GEMEL_LIBRARIES Threads::Threads m)
set(GEMEL_DEFINITIONS "")
set(GEMEL_PRIVATE_LIBS "-lpthread -lm")

macro(gemel_optional name package target flag)
  if(GEMEL_${name})
    find_package(${package} QUIET)
  endif()
  if(GEMEL_${name} AND ${package}_FOUND)
    list(APPEND GEMEL_LIBRARIES ${target})
    list(APPEND GEMEL_DEFINITIONS GM_HAVE_${name})
    string(APPEND GEMEL_PRIVATE_LIBS " ${flag}")
  else()
    message(STATUS "left out: ${name}")
  endif()
endmacro()

gemel_optional(ZLIB ZLIB ZLIB::ZLIB -lz)
gemel_optional(JPEG JPEG JPEG::JPEG -ljpeg)
gemel_optional(PNG PNG PNG::PNG -lpng)
